"""Where each character is heard: CTC emissions of an aligner, and forced alignment to character spans.

Times are seconds of the audio given. Nothing here reads files or tables; stages/align.py does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.recognition.checkpoints import weights_only
from pipeline.text.romanize import Token

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.recognition.aligner_model import AlignerNet

SAMPLE_RATE = 16_000
KNOWN = ("MMS_FA",)
"""Aligners that torchaudio has under a name of its own."""
_STAR_PENALTY = 1.0
"""Nats a frame that the wildcard lies under the best letter: enough that a well-fitting neighbour keeps its frames."""
_UNSAID_PENALTY = 3.0
"""Nats a frame that speech outside the text costs: a word the transcript lacks does not stretch the ones beside it."""
_NO_FIT = 0.1
"""A character under this mean probability is not what was said: its place is found again as a wildcard."""


class AlignmentError(ValueError):
    """The text cannot be laid over the audio at all; the message says why."""


@dataclass(frozen=True)
class CharacterSpan:
    """One character from `start` to `end` seconds; `score` is its mean probability, 0 if nobody knows its letters."""

    char: str
    start: float
    end: float
    score: float


@dataclass(frozen=True)
class LaidText:
    """One span for each token, and the seconds of speech in the sound if the aligner knows them."""

    spans: list[CharacterSpan]
    speech: float | None = None


class TextAligner(Protocol):
    """Any aligner: a text is laid on the sound of one clip."""

    name: str

    def lay(self, samples: NDArray[np.float32], tokens: Sequence[Token], dialect: str) -> LaidText:
        """Tokens of a text in that dialect on (N,) mono samples at 16 kHz. Raises AlignmentError."""
        ...


class Aligner(Protocol):
    """What alignment needs of an acoustic model; label 0 is the blank.

    `bridge` is the longest gap in seconds between two characters that is the model's silence and not the speaker's: 0
    for a model that labels every frame, more for one trained with CTC alone, which fires at a point in each letter.
    """

    name: str
    bridge: float

    def emissions(self, samples: NDArray[np.float32]) -> tuple[Tensor, float]:
        """(N,) mono samples at 16 kHz -> (T, labels) natural log probabilities and the seconds of a frame."""
        ...

    def encode(self, letters: str) -> list[int]:
        """The labels of one token's letters."""
        ...


def load_aligner(name: str, device: str = "cpu") -> MicroAligner | MmsAligner:
    """The aligner in a checkpoint folder, or `MMS_FA` of torchaudio (downloaded at first use; CC-BY-NC weights)."""
    if name in KNOWN:
        return MmsAligner.from_hub(device)
    from pipeline.recognition.aligner_model import load_checkpoint

    return MicroAligner(load_checkpoint(Path(name), device), name=Path(name).name)


class _CtcAligner:
    """What CTC aligners have in common."""

    def lay(self: Aligner, samples: NDArray[np.float32], tokens: Sequence[Token], dialect: str) -> LaidText:
        """As TextAligner.lay; the tokens' letters are all that it goes by."""
        log_probs, frame_seconds = self.emissions(samples)
        spans = align_emissions(self, log_probs, frame_seconds, tokens, len(samples) / SAMPLE_RATE)
        # Only a model that labels every frame says where speech is.
        return LaidText(spans, speech_seconds(log_probs, frame_seconds) if self.bridge == 0 else None)


class MicroAligner(_CtcAligner):
    """The embedded network: 10 ms frames, each labelled, so a character's span is the run of its labels."""

    bridge = 0.0

    def __init__(self, net: AlignerNet, name: str = "aligner-micro"):
        self.net = net
        self.name = name

    def emissions(self, samples: NDArray[np.float32]) -> tuple[Tensor, float]:
        from pipeline.recognition.aligner_model import FRAME_SECONDS

        return self.net.emissions(samples), FRAME_SECONDS

    def encode(self, letters: str) -> list[int]:
        from pipeline.recognition.aligner_model import encode

        return encode(letters)


class MmsAligner(_CtcAligner):
    """A wav2vec2 CTC network of torchaudio over romanised letters, in chunks so that attention stays affordable."""

    bridge = 0.25
    _hop = 320
    _chunk_seconds = 30.0
    _context_seconds = 2.0

    def __init__(self, model, labels: dict[str, int], device: str = "cpu", name: str = "MMS_FA"):
        self.name = name
        self._model = model.eval().to(device)
        self._labels = labels
        self._device = device

    @classmethod
    def from_hub(cls, device: str) -> MmsAligner:
        from torchaudio.pipelines import MMS_FA

        with weights_only():
            return cls(MMS_FA.get_model(with_star=False), MMS_FA.get_dict(star=None), device)

    def emissions(self, samples: NDArray[np.float32]) -> tuple[Tensor, float]:
        import torch

        hop = self._hop
        frames = len(samples) // hop
        chunk = int(self._chunk_seconds * SAMPLE_RATE) // hop
        context = int(self._context_seconds * SAMPLE_RATE) // hop
        pieces = []
        for start in range(0, frames, chunk):
            stop = min(start + chunk, frames)
            first, last = max(0, start - context), min(stop + context, frames)
            # The convolutions see 400 samples and step 320: 40 more on each side give one frame to each hop.
            piece = torch.nn.functional.pad(torch.from_numpy(samples[first * hop : last * hop]), (40, 40))
            with torch.inference_mode():
                scores, _ = self._model(piece[None].to(self._device))
            pieces.append(scores[0, start - first : stop - first].float().log_softmax(dim=-1).cpu())
        empty = torch.empty(0, len(self._labels))
        return (torch.cat(pieces) if pieces else empty), hop / SAMPLE_RATE

    def encode(self, letters: str) -> list[int]:
        # The long vowel of jyutping is not spelled twice in the romanisation this model was trained on.
        return [self._labels[letter] for letter in letters.replace("aa", "a") if letter in self._labels]


def align(aligner: Aligner, samples: NDArray[np.float32], tokens: Sequence[Token]) -> list[CharacterSpan]:
    """One span for each token, in order, never empty and inside the audio (float32 mono at 16 kHz).

    A character ends where its sound ends: a pause belongs to nobody, nor do words that the text lacks. Tokens without
    letters, and those whose letters do not fit the sound (a wrong transcript), take the speech left over between their
    neighbours; the latter keep their low score. Raises AlignmentError if there are fewer frames than labels.
    """
    if not tokens:
        return []
    log_probs, frame_seconds = aligner.emissions(samples)
    return align_emissions(aligner, log_probs, frame_seconds, tokens, len(samples) / SAMPLE_RATE)


def align_emissions(
    aligner: Aligner, log_probs: Tensor, frame_seconds: float, tokens: Sequence[Token], duration: float
) -> list[CharacterSpan]:
    """`align` for emissions (T, labels) already computed; `duration` in seconds bounds the spans."""
    if not tokens:
        return []
    labels = [aligner.encode(token.letters) for token in tokens]
    pieces, scores = _lay(log_probs, labels)
    misfits = [bool(found) and score < _NO_FIT for found, score in zip(labels, scores, strict=True)]
    if any(misfits) and not all(misfits):
        pieces, again = _lay(
            log_probs, [[] if misfit else found for found, misfit in zip(labels, misfits, strict=True)]
        )
        scores = [first if misfit else second for first, second, misfit in zip(scores, again, misfits, strict=True)]
    scores = [score if found else 0.0 for found, score in zip(labels, scores, strict=True)]
    times = [(first * frame_seconds, min(last * frame_seconds, duration)) for first, last in pieces]
    times = _bridged(times, aligner.bridge, duration)
    return [
        CharacterSpan(token.char, start, end, score)
        for token, (start, end), score in zip(tokens, times, scores, strict=True)
    ]


def speech_seconds(log_probs: Tensor, frame_seconds: float) -> float:
    """Seconds of speech in emissions (T, labels) of an aligner that labels every frame (`bridge` 0)."""
    return float((1.0 - log_probs[:, 0].exp()).sum()) * frame_seconds


def _lay(log_probs: Tensor, labels: list[list[int]]) -> tuple[list[tuple[int, int]], list[float]]:
    """Viterbi: (first, past last) frame and mean probability of each token; an empty label list is a wildcard."""
    import torch
    from torchaudio.functional import forced_align, merge_tokens

    count = log_probs.shape[1]
    star = log_probs[:, 1:].max(dim=1, keepdim=True).values - _STAR_PENALTY
    # Two equal wildcards, used in turn: neighbours that were the same label would need a pause between them.
    nobody = torch.maximum(log_probs[:, :1], star + (_STAR_PENALTY - _UNSAID_PENALTY))
    extended = torch.cat([nobody, log_probs[:, 1:], star, star], dim=1)
    stars = [count + index % 2 for index in range(len(labels))]
    targets = [found or [wildcard] for found, wildcard in zip(labels, stars, strict=True)]
    flat = [label for target in targets for label in target]
    needed = len(flat) + sum(a == b for a, b in pairwise(flat))
    if needed > len(log_probs):
        raise AlignmentError(
            f"{len(targets)} characters need at least {needed} frames but the audio has {len(log_probs)}: "
            "the text does not belong to this audio, or the audio was cut too short"
        )
    path, frame_scores = forced_align(extended[None], torch.tensor([flat], dtype=torch.int32), blank=0)
    runs = merge_tokens(path[0], frame_scores[0].exp(), blank=0)
    pieces, scores, position = [], [], 0
    for target in targets:
        own = runs[position : position + len(target)]
        position += len(target)
        pieces.append((own[0].start, own[-1].end))
        frames = sum(run.end - run.start for run in own)
        scores.append(sum(run.score * (run.end - run.start) for run in own) / frames)
    return pieces, scores


def _bridged(times: list[tuple[float, float]], bridge: float, duration: float) -> list[tuple[float, float]]:
    """Let each character sound on to the next one's start if the gap is at most `bridge` seconds, else half of that."""
    if bridge == 0:
        return times
    starts = [start for start, _ in times[1:]] + [duration]
    gaps = [following - end for (_, end), following in zip(times, starts, strict=True)]
    return [
        (start, end + (gap if gap <= bridge and index + 1 < len(times) else min(gap, bridge / 2)))
        for index, ((start, end), gap) in enumerate(zip(times, gaps, strict=True))
    ]
