"""All pairs of segments that are one event: with the same samples, or with like text, length and sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus import dedup
from pipeline.corpus.candidates import Pairs, Rows, Spoken, like_text, same_text
from pipeline.corpus.listening import Listener
from pipeline.corpus.segment_facts import Segments
from pipeline.corpus.sketches import BANDS
from pipeline.lake.lake import Lake
from pipeline.settings import Settings


@dataclass(frozen=True)
class Duplicates:
    """`pairs` of rows, the first `exact` of them with the same samples; `candidates` were alike by text and length."""

    pairs: Pairs
    exact: int
    candidates: int


def find_pairs(lake: Lake, segments: Segments, kept: NDArray[np.bool_], settings: Settings, folder: Path) -> Duplicates:
    """Duplicates among the kept segments. One that repeats another to the sample needs no look by text and sound."""
    rows = np.flatnonzero(kept)
    sha256 = segments.hashes()
    exact = rows[dedup.exact_pairs(sha256[rows], lambda own: segments.ids(rows[own]))]
    fresh = kept.copy()
    fresh[exact[:, 1]] = False
    rows = np.flatnonzero(fresh)
    listener = Listener(lake, segments, sha256, folder)
    near, candidates = [exact], 0
    for pairs in _candidates(segments, rows, settings.dedup.text_similarity):
        candidates += len(pairs)
        near.append(listener.alike(pairs, settings.dedup.embedding_similarity))
    listener.remember()
    return Duplicates(np.concatenate(near), len(exact), candidates)


def _candidates(segments: Segments, rows: Rows, text_similarity: float) -> Iterator[Pairs]:
    spoken = Spoken(*(segments.numbers(name)[rows] for name in ("text_key", "letters", "duration")))

    def band(number: int) -> Callable[[Rows], NDArray[np.uint32]]:
        return lambda own: segments.numbers(f"band{number}")[rows[own]]

    for pairs in same_text(spoken):
        yield rows[pairs]
    bands = [band(number) for number in range(BANDS)]
    for pairs in like_text(spoken, bands, lambda own: segments.texts(rows[own]), text_similarity):
        yield rows[pairs]
