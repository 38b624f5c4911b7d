"""Training samples: every line of a manifest checked and encoded beforehand, then laid out as the model reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from model.finetune.latents import BadClip, Clip, LatentCache
from model.finetune.manifest import Entry, Problem, read_manifest
from model.voxcpm2 import VoxCPM2
from model.voxcpm2 import text as wording
from model.voxcpm2.losses import Batch
from model.voxcpm2.prompt import AUDIO_END, build_prompt
from model.voxcpm2.tokenizer import Tokenizer

# A line whose duration is further from the file's than this was made for another file, or the file's rate is wrong.
_DURATION_TOLERANCE = 0.05
_LEAST_TOLERANCE_S = 0.1
# The marks around the target's audio, and those around a reference.
_TARGET_MARKS = _REFERENCE_MARKS = 2

Encoded = Callable[[int, int], None]


@dataclass(frozen=True)
class Sample:
    """One clip to learn; `index` is its place in the manifest's usable lines, `tokens` counts text with its control."""

    index: int
    text: str
    control: str
    dialect: str
    tokens: int
    clip: Clip
    reference: Clip | None

    def positions(self, with_reference: bool) -> int:
        """Length of the sequence."""
        alone = self.tokens + self.clip.patches + _TARGET_MARKS
        return alone + self.reference.patches + _REFERENCE_MARKS if with_reference and self.reference else alone


def encode_share(path: Path, cache: LatentCache, rank: int, processes: int) -> None:
    """Encode every `processes`th clip of a manifest into the cache, so that `prepare` finds them; bad ones wait."""
    entries, _ = read_manifest(path)
    files = {file: None for entry in entries for file in (entry.audio, entry.reference) if file is not None}
    for file in list(files)[rank::processes]:
        try:
            cache.clip(file)
        except (BadClip, OSError):
            continue


def prepare(
    path: Path, cache: LatentCache, model: VoxCPM2, max_positions: int, encoded: Encoded | None = None
) -> tuple[list[Sample], list[Problem]]:
    """Read a manifest, encode every clip once, and find all that is wrong. `encoded` is told (done, total) lines."""
    entries, problems = read_manifest(path)
    samples: list[Sample] = []
    for done, entry in enumerate(entries, 1):
        try:
            samples.append(_sample(entry, len(samples), cache, model, max_positions))
        except BadClip as bad:
            problems.append(Problem(entry.file, entry.line, bad.reason, str(bad), entry.audio.name))
        if encoded is not None:
            encoded(done, len(entries))
    return samples, sorted(problems, key=lambda problem: problem.line)


def collate(uses: Sequence[tuple[Sample, bool]], cache: LatentCache, tokenizer: Tokenizer, blank: Tensor) -> Batch:
    """Samples, each with or without its reference, as one batch padded on the right. `blank` (P, D) is zeros.

    A sequence is what generation would start from, the target's patches, and the mark that ends audio.
    """
    sequences = [_sequence(sample, refers, cache, tokenizer, blank) for sample, refers in uses]
    fields = (torch.nn.utils.rnn.pad_sequence(list(field), batch_first=True) for field in zip(*sequences, strict=True))
    return Batch(*fields)


def _sequence(
    sample: Sample, with_reference: bool, cache: LatentCache, tokenizer: Tokenizer, blank: Tensor
) -> tuple[Tensor, ...]:
    """Fields of a Batch, for one sample: (T,) each but patches (T, P, D)."""
    reference = cache.read(sample.reference) if with_reference and sample.reference is not None else None
    # As one text, so that a second description in front of it is read as generation reads it: aloud.
    spoken = wording.join_control(sample.control, sample.text)
    prompt = build_prompt(tokenizer, spoken, blank, reference=reference)
    target = cache.read(sample.clip)
    before, count = len(prompt), len(target)
    text = torch.cat([prompt.text, torch.zeros(count, dtype=torch.long), torch.tensor([AUDIO_END])])
    patches = torch.cat([prompt.patches, target, blank[None]])
    audio = torch.cat([prompt.on_audio, torch.ones(count, dtype=torch.bool), torch.zeros(1, dtype=torch.bool)])
    target_mask = torch.zeros(len(text), dtype=torch.bool)
    target_mask[before : before + count] = True
    labels = torch.zeros(len(text), dtype=torch.long)
    labels[before + count - 1] = 1
    return text, ~audio, patches, audio, target_mask, labels


def _sample(entry: Entry, index: int, cache: LatentCache, model: VoxCPM2, max_positions: int) -> Sample:
    clip = _checked(entry.audio, entry.duration, cache)
    reference = None
    if entry.reference is not None:
        try:
            reference = _checked(entry.reference, entry.reference_duration, cache)
        except BadClip as bad:
            raise BadClip(bad.reason, f"ref_audio {entry.reference.name}: {bad}") from None
        if reference.key == clip.key:
            raise BadClip("reference_is_clip", "ref_audio has the bytes of the clip itself; name another clip")
    ids = model.tokenizer.ids(wording.join_control(entry.control, entry.text))
    if max(ids) >= (known := model.config.lm_config.vocab_size):
        raise BadClip("unknown_token", f"the tokenizer gives id {max(ids)}, beyond the model's {known}")
    sample = Sample(index, entry.text, entry.control, entry.dialect, len(ids), clip, reference)
    if (positions := sample.positions(True)) > max_positions:
        raise BadClip("too_long", f"takes {positions} positions, {max_positions} are allowed; cut it or its reference")
    return sample


def _checked(path: Path, told: float | None, cache: LatentCache) -> Clip:
    try:
        clip = cache.clip(path)
    except OSError as error:
        raise BadClip("unreadable", str(error)) from None
    if told is not None and abs(told - clip.file_seconds) > max(_LEAST_TOLERANCE_S, _DURATION_TOLERANCE * told):
        raise BadClip(
            "wrong_rate",
            f"lasts {clip.file_seconds:.2f} s, the line says {told:.2f} s: its sample rate is wrong, or it is another",
        )
    return clip
