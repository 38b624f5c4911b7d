"""Sequences for training voxcpm2-micro: text, reference and target as VoxCPM2 lays them out, with the studio's truth.

Plain text is spoken by a few house voices, so that text alone need not choose among all; with a reference, all voices.
Half the sentences are the beginning of one joined to the end of another, and some carry a description that means
nothing: so the network learns to read what stands there instead of what usually follows, and not to read descriptions.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from model.voxcpm2.prompt import AUDIO_START, REFERENCE_END, REFERENCE_START
from model.voxcpm2.tokenizer import Tokenizer
from pipeline.text import dialects
from recipes.bank import Bank
from recipes.syllables import SILENCE, PartTable
from recipes.voice.latents import Latents
from recipes.voice.utterances import FRAME_SECONDS, TokenUtterance, read_utterance, spliced
from studio.voices import register, voices

IGNORE = -100
HOUSE_VOICES = 8
PLAIN_SHARE = 0.3
REFERENCE_PATCHES = (8, 26)
NOISE = 0.35
# Now and then what was said before is drowned: then only the reference tells what the voice is like.
DROWNED_SHARE, DROWNING = 0.4, (0.5, 1.5)
SPLICED_SHARE = 0.5
DESCRIBED_SHARE = 0.15
# So many neighbours in length a batch is drawn from.
_NEIGHBOURS = 400


@dataclass(frozen=True)
class Sequences:
    """A batch, padded on the right: (B, T) each but patches and heard (B, T, P, D).

    `patches` are clean and to be made, `heard` is what the network hears of them, a little noisy. `parts` (B, T, P, 3)
    are initial, final and tone of the frames of a target patch; `read` (B, T, 3) those of the character at a text
    position; `spans` (B, T, 2) the text positions, begin and end, that are heard in a target patch; `voices` (B, T) who
    speaks it, where a reference tells.
    """

    text: Tensor
    text_mask: Tensor
    patches: Tensor
    heard: Tensor
    audio_mask: Tensor
    loss_mask: Tensor
    labels: Tensor
    parts: Tensor
    read: Tensor
    spans: Tensor
    voices: Tensor


class SequenceSource:
    """Draws batches from a bank and its latents; a batch is a function of (seed, step)."""

    def __init__(
        self, bank: Bank, latents: Latents, tokenizer: Tokenizer, syllables: dict[str, int], seed: int
    ) -> None:
        self.latents, self.seed = latents, seed
        self.parts = PartTable(syllables)
        self.rows = [read_utterance(row, tokenizer, syllables) for row in bank.table.slice(0, len(latents)).to_pylist()]
        house = set(house_voices())
        order = np.argsort(latents.lengths, kind="stable")
        self.all = order
        self.house = np.array([i for i in order if self.rows[i].voice in house] or order)
        self.voices = {voice: number for number, voice in enumerate(sorted({row.voice for row in self.rows}))}
        self.by_voice: dict[str, list[int]] = {}
        self.alike: dict[tuple[str, str], list[int]] = {}
        for index, row in enumerate(self.rows):
            self.by_voice.setdefault(row.voice, []).append(index)
            self.alike.setdefault((row.voice, row.dialect), []).append(index)
        self.known = np.unique([row.ids[place] for row in self.rows for place in row.places])
        self.open, self.close = (tokenizer.ids(sign)[-1] for sign in "()")

    def batch(self, step: int, size: int) -> Sequences:
        """`size` sequences of about one length."""
        rng = np.random.default_rng([self.seed, step])
        place = rng.random()
        samples = []
        for _ in range(size):
            plain = rng.random() < PLAIN_SHARE
            index = _near(self.house if plain else self.all, place, rng)
            samples.append(self._sample(index, None if plain else self._reference(index, rng), rng))
        return _padded(samples)

    def _reference(self, index: int, rng: np.random.Generator) -> Tensor | None:
        """A piece of another utterance by the same voice, None where there is no other."""
        others = self.by_voice[self.rows[index].voice]
        if len(others) < 2:
            return None
        if rng.random() < 0.7:
            others = [i for i in others if self.rows[i].dialect == self.rows[index].dialect] or others
        other = index
        while other == index:
            other = others[int(rng.integers(len(others)))]
            if len(others) == 1 and other == index:
                return None
        clip = self.latents[other]
        length = min(int(rng.integers(*REFERENCE_PATCHES)), len(clip))
        begin = int(rng.integers(len(clip) - length + 1)) if rng.random() < 0.5 else 0
        return clip[begin : begin + length]

    def _spoken(self, index: int, rng: np.random.Generator) -> tuple[TokenUtterance, Tensor]:
        """What is said and its patches: the utterance itself, or its beginning and the end of another by the voice."""
        row, patches = self.rows[index], self.latents[index]
        if rng.random() < SPLICED_SHARE:
            others = self.alike[row.voice, row.dialect]
            other = others[int(rng.integers(len(others)))]
            mine, theirs = (row, patches), (self.rows[other], self.latents[other])
            row, patches = spliced(mine, theirs, float(rng.uniform(0.2, 0.8)))
        if not dialects.get(row.dialect).voxcpm_prefix and rng.random() < DESCRIBED_SHARE:
            described = [self.open, *map(int, rng.choice(self.known, int(rng.integers(2, 5)))), self.close]
            row = row.piece(0, len(row.places), 0.0).after(row.ids[: row.places[0]] + described)
        return row, patches

    def _sample(self, index: int, reference: Tensor | None, rng: np.random.Generator) -> dict[str, Tensor]:
        row, target = self._spoken(index, rng)
        before = 0 if reference is None else len(reference) + 2
        words = before + len(row.ids) + 1
        length = words + len(target)
        shape = target.shape[1:]
        text, patches = torch.zeros(length, dtype=torch.long), torch.zeros(length, *shape)
        audio = torch.zeros(length, dtype=torch.bool)
        if reference is not None:
            text[0], text[before - 1] = REFERENCE_START, REFERENCE_END
            patches[1 : before - 1] = reference
            audio[1 : before - 1] = True
        text[before : words - 1] = torch.tensor(row.ids)
        text[words - 1] = AUDIO_START
        patches[words:] = target
        audio[words:] = True
        noise = torch.from_numpy(rng.standard_normal(patches.shape, np.float32)) * float(rng.random() * NOISE)
        if reference is not None and rng.random() < DROWNED_SHARE:
            noise[:words] = 0
            noise[words:] *= float(rng.uniform(*DROWNING)) / max(float(noise[words:].std()), 1e-3)
        voices = torch.full((length,), IGNORE)
        if reference is not None:
            voices[words:] = self.voices[row.voice]
        labels = torch.full((length,), IGNORE)
        labels[words:] = 0
        labels[-1] = 1
        syllables, spans = self._timed(row, len(target), shape[0], before)
        parts = torch.full((length, shape[0], 3), IGNORE)
        parts[words:] = self.parts.of(syllables, IGNORE)
        read = torch.full((length, 3), IGNORE)
        read[[before + place for place in row.places]] = self.parts.of(torch.tensor(row.syllables), IGNORE)
        padded_spans = torch.full((length, 2), -1)
        padded_spans[words:] = spans
        return {
            "text": text,
            "text_mask": ~audio,
            "patches": patches,
            "heard": patches + noise * audio[:, None, None],
            "audio_mask": audio,
            "loss_mask": labels != IGNORE,
            "labels": labels,
            "parts": parts,
            "read": read,
            "spans": padded_spans,
            "voices": voices,
        }

    def _timed(self, row: TokenUtterance, patches: int, frames: int, before: int) -> tuple[Tensor, Tensor]:
        """Syllables (N, P) of the frames, and spans (N, 2) of text positions; -1, -1 where nothing is said."""
        times = (np.arange(patches * frames) + 0.5) * FRAME_SECONDS
        character = np.searchsorted(np.array(row.starts), times, side="right") - 1
        spoken = (character >= 0) & (times < np.array(row.ends)[character])
        syllables = np.where(spoken, np.array(row.syllables)[character], SILENCE)
        spans = np.full((patches, 2), -1)
        for patch, (some, said) in enumerate(
            zip(character.reshape(patches, frames), spoken.reshape(patches, frames), strict=True)
        ):
            if said.any():
                spans[patch] = before + row.places[some[said][0]], before + row.places[some[said][-1]] + 1
        return torch.from_numpy(syllables).view(patches, frames), torch.from_numpy(spans)


def house_voices() -> list[str]:
    """The voices that plain text is spoken with: those men and women whose pace is the most ordinary."""
    every = voices()
    pace = {voice.voice_id: voice.rate * voice.formant_shift for voice in every}
    usual = float(np.median(list(pace.values())))
    chosen: list[str] = []
    for wanted in ("male", "female"):
        ids = [voice.voice_id for voice in every if register(voice) == wanted]
        chosen += sorted(ids, key=lambda name: abs(pace[name] - usual))[: HOUSE_VOICES // 2]
    return chosen


def _near(order: np.ndarray, place: float, rng: np.random.Generator) -> int:
    window = min(_NEIGHBOURS, len(order))
    begin = int(place * (len(order) - window + 1))
    return int(order[begin + int(rng.integers(window))])


def _padded(samples: list[dict[str, Tensor]]) -> Sequences:
    fill = {"labels": IGNORE, "parts": IGNORE, "read": IGNORE, "voices": IGNORE, "spans": -1}
    return Sequences(
        **{
            field.name: torch.nn.utils.rnn.pad_sequence(
                [sample[field.name] for sample in samples], batch_first=True, padding_value=fill.get(field.name, 0)
            )
            for field in fields(Sequences)
        }
    )
