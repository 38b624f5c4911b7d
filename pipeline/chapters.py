"""Long recordings in chapters: cut at the quietest point near each boundary, and speakers joined across them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_SEARCH_SECONDS = 30.0
_SEARCH_SHARE = 0.1
_FRAME_SECONDS = 0.02
_QUIET_SECONDS = 0.5

Embedding = NDArray[np.float32]


def cut(
    blocks: Iterable[NDArray[np.float32]], sample_rate: int, duration: float, chapter_seconds: float
) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Blocks (T,) of a recording of `duration` seconds -> (start in seconds, samples (T,)) of each chapter.

    Chapters are about equally long, at most `chapter_seconds` plus half a minute; no more than one is held in memory.
    A recording that fits is one chapter.
    """
    count = max(1, math.ceil(duration / chapter_seconds - 1e-9))
    nominal = duration / count
    reach = min(_SEARCH_SECONDS, _SEARCH_SHARE * nominal)
    held: list[NDArray[np.float32]] = []
    held_from = held_samples = 0
    boundaries = iter([nominal * number for number in range(1, count)])
    boundary = next(boundaries, None)
    for block in blocks:
        held.append(block)
        held_samples += block.size
        while boundary is not None and held_from + held_samples >= (boundary + reach) * sample_rate:
            chapter = np.concatenate(held)
            first = max(0, round((boundary - reach) * sample_rate) - held_from)
            last = round((boundary + reach) * sample_rate) - held_from
            at = first + quietest_sample(chapter[first:last], sample_rate)
            yield held_from / sample_rate, chapter[:at]
            held, held_from, held_samples = [chapter[at:].copy()], held_from + at, chapter.size - at
            del chapter
            boundary = next(boundaries, None)
    if held_samples:
        yield held_from / sample_rate, np.concatenate(held)


def quietest_sample(samples: NDArray[np.float32], sample_rate: int) -> int:
    """Index of the middle of the quietest half second of `samples` (T,)."""
    frame = max(1, round(_FRAME_SECONDS * sample_rate))
    frames = samples.size // frame
    width = min(frames, round(_QUIET_SECONDS / _FRAME_SECONDS))
    if width == 0:
        return samples.size // 2
    energy = np.square(samples[: frames * frame], dtype=np.float64).reshape(frames, frame).sum(axis=1)
    total = np.concatenate([[0.0], np.cumsum(energy)])
    around = total[width:] - total[:-width]
    return int((int(np.argmin(around)) + width / 2) * frame)


class SpeakerJoin:
    """Gives the speakers of successive chapters names that hold for the whole recording, by cosine similarity.

    Two speakers of one chapter are never joined: the diarization that heard both side by side knows better.
    """

    def __init__(self, similarity: float) -> None:
        self._similarity = similarity
        self._sums: list[Embedding | None] = []
        self._seconds: list[float] = []

    def add(self, chapter: Mapping[str, tuple[Embedding | None, float]]) -> dict[str, str]:
        """Take a chapter's labels with (embedding (D,) or None, seconds of speech); returns recording-wide names."""
        names: dict[str, str] = {}
        for label, known in self._matches(chapter).items():
            embedding, seconds = chapter[label]
            assert embedding is not None
            self._sums[known] = _plus(self._sums[known], embedding * np.float32(seconds))
            self._seconds[known] += seconds
            names[label] = _name(known)
        for label, (embedding, seconds) in chapter.items():
            if label not in names:
                names[label] = _name(len(self._sums))
                self._sums.append(None if embedding is None else embedding * np.float32(seconds))
                self._seconds.append(seconds)
        return names

    def embeddings(self) -> dict[str, Embedding | None]:
        """Each name's embedding (D,), the mean over its chapters weighted by seconds; None where there was none."""
        return {
            _name(index): None if total is None else (total / np.float32(seconds)).astype(np.float32)
            for index, (total, seconds) in enumerate(zip(self._sums, self._seconds, strict=True))
        }

    def _matches(self, chapter: Mapping[str, tuple[Embedding | None, float]]) -> dict[str, int]:
        from scipy.optimize import linear_sum_assignment

        labels = [label for label, (embedding, _) in chapter.items() if embedding is not None]
        known = [index for index, total in enumerate(self._sums) if total is not None]
        if not labels or not known:
            return {}
        new = _unit([chapter[label][0] for label in labels])
        old = _unit([self._sums[index] for index in known])
        cosine = new @ old.T
        rows, columns = linear_sum_assignment(-cosine)
        return {
            labels[row]: known[column]
            for row, column in zip(rows, columns, strict=True)
            if cosine[row, column] >= self._similarity
        }


def _name(index: int) -> str:
    return f"SPEAKER_{index:02d}"


def _plus(total: Embedding | None, more: Embedding) -> Embedding:
    return more if total is None else total + more


def _unit(vectors: Sequence[Embedding | None]) -> NDArray[np.float32]:
    stacked = np.stack([vector for vector in vectors if vector is not None])
    return stacked / np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-12)
