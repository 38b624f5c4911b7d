"""Which candidates are one event by their sound. What was once compared is remembered by the hashes of the samples."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import clips
from pipeline.corpus import dedup
from pipeline.corpus.candidates import Pairs, Rows
from pipeline.corpus.excerpts import audio_at
from pipeline.corpus.segment_facts import Segments
from pipeline.lake.files import replace_file
from pipeline.lake.lake import Lake

VERSION = 1
_AT_ONCE = 20_000
"""Pairs whose fingerprints lie in one file: about 120 kB a segment. Each partition is read once for all of them."""
_BINS = dedup.HIGHEST_BIN - dedup.LOWEST_BIN
_NO_SOUND = -1.0
_HEARD = np.dtype([("pair", np.uint64), ("similarity", np.float32)])


class Listener:
    """Compares the sound of segments, whose fingerprints lie in a file below `folder` meanwhile."""

    def __init__(self, lake: Lake, segments: Segments, sha256: NDArray[np.uint64], folder: Path) -> None:
        self.compared = 0
        """Pairs whose sound was compared, not remembered."""
        self._lake, self._segments = lake, segments
        self._mixed = (sha256[:, 0] * np.uint64(0x9E3779B97F4A7C15)) ^ sha256[:, 1]
        self._file = folder / f"compared-{VERSION}.npy"
        self._before = np.load(self._file) if self._file.exists() else np.zeros(0, _HEARD)
        self._now: list[NDArray] = []

    def alike(self, pairs: Pairs, least: float) -> Pairs:
        """The pairs whose similarity is `least` or more; one without stored sound is like none."""
        names = self._names(pairs)
        at = np.minimum(np.searchsorted(self._before["pair"], names), max(0, len(self._before) - 1))
        known = (self._before["pair"][at] == names) & (names > 0) if len(self._before) else np.zeros(len(pairs), bool)
        scores = np.full(len(pairs), _NO_SOUND, np.float32)
        scores[known] = self._before["similarity"][at[known]]
        unknown = np.flatnonzero(~known)
        for start in range(0, len(unknown), _AT_ONCE):
            portion = unknown[start : start + _AT_ONCE]
            scores[portion] = self._similarities(pairs[portion])
        heard = np.empty(len(pairs), _HEARD)
        heard["pair"], heard["similarity"] = names, scores
        self._now.append(heard[names > 0])
        return pairs[scores >= least]

    def remember(self) -> None:
        """Keep what was compared for the next run, and nothing of pairs that are candidates no longer."""
        heard = np.concatenate([*self._now, np.zeros(0, _HEARD)])
        heard = heard[np.unique(heard["pair"], return_index=True)[1]]
        if len(heard) != len(self._before) or self.compared:
            replace_file(self._file, lambda file: _save(heard, file))

    def _names(self, pairs: Pairs) -> NDArray[np.uint64]:
        """A number for each pair of sounds in either order; 0 where a hash is missing."""
        one, two = self._mixed[pairs[:, 0]], self._mixed[pairs[:, 1]]
        low, high = np.minimum(one, two), np.maximum(one, two)
        return np.where(low > 0, (low * np.uint64(0xBF58476D1CE4E5B9)) ^ (high + (low >> np.uint64(29))), np.uint64(0))

    def _similarities(self, pairs: Pairs) -> NDArray[np.float32]:
        self.compared += len(pairs)
        scores = np.full(len(pairs), _NO_SOUND, np.float32)
        with tempfile.TemporaryFile(dir=self._file.parent) as spill:
            places: dict[int, tuple[int, int]] = {}
            for row, print_ in self._prints(np.unique(pairs)):
                places[row] = spill.tell(), len(print_)
                spill.write(print_.tobytes())
            if not places:
                return scores
            spill.flush()
            stored = np.memmap(spill, np.uint8, "r")

            def print_of(row: int) -> NDArray[np.uint8]:
                begin, frames = places[row]
                return stored[begin : begin + frames * _BINS].reshape(frames, _BINS)

            for number, (one, two) in enumerate(pairs.tolist()):
                if one in places and two in places:
                    scores[number] = dedup.similarity(print_of(one), print_of(two))
        return scores

    def _prints(self, rows: Rows) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        begins = self._segments.begins
        number = np.searchsorted(begins, rows, "right") - 1
        for partition in np.unique(number):
            first = int(begins[partition])
            places = rows[number == partition] - first
            for place, data in audio_at(self._lake, self._segments.partitions[partition], places):
                yield first + place, dedup.fingerprint(*clips.decode_bytes(data))


def _save(heard: NDArray, file: Path) -> None:
    with file.open("wb") as sink:
        np.save(sink, heard)
