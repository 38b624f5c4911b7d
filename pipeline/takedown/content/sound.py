"""Finds withdrawn sound in other sound, at another loudness, rate or encoding, by acoustic fingerprints.

The fingerprint is that of Haitsma and Kalker (A Highly Robust Audio Fingerprinting System, ISMIR 2002): 32 bits a
frame, signs of the differences of band energies along time and frequency. No audio can be made from it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pipeline.audio import clips
from pipeline.audio.decoding import AudioStream, gather

RATE = 5_500
FRAME, HOP = 2_048, 64
_BLOCK_SECONDS = 60
_EDGES = np.unique(np.round(np.geomspace(300.0, 2_000.0, 34) * FRAME / RATE).astype(int))
_SILENCE = 1e-7
"""Mean square below which a frame counts as silent (-70 dBFS)."""
_WINDOW = 128
_LEAST_FRAMES = 36
_MOST_CANDIDATES = 3_000
_MOST_ERRORS = 0.30
_MOST_ERRORS_SHORT = 0.20
_FLIPS = np.concatenate([[0], 1 << np.arange(32, dtype=np.uint64)]).astype(np.uint32)


class SoundIndex:
    """Fingerprints of withdrawn sound, to be asked whether other sound holds a second of it or more."""

    def __init__(self, prints: np.ndarray | None = None, ends: np.ndarray | None = None) -> None:
        self._clips: list[np.ndarray] = [] if prints is None or ends is None else np.split(prints, ends[:-1])
        self._sorted: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None = None

    def add(self, samples: np.ndarray, rate: int) -> None:
        """Take in float32 (T,) at `rate` Hz."""
        self._clips.append(fingerprint(clips.resample(samples, rate, RATE)))
        self._sorted = None

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """All fingerprints, uint32 (N,), and where each clip ends, int64 (clips,); the constructor takes them back."""
        lengths = [len(one) for one in self._clips]
        return np.concatenate([np.zeros(0, np.uint32), *self._clips]), np.cumsum(lengths, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._clips)

    def matches(self, samples: np.ndarray) -> bool:
        """True if float32 (T,) at RATE Hz holds withdrawn sound."""
        if not self._clips:
            return False
        query = fingerprint(samples)
        reference, ends, keys, positions = self._index()
        own, there = _candidates(query, keys, positions)
        clip = np.searchsorted(ends, there, side="right")
        starts = np.concatenate([[0], ends])[clip]
        return any(
            _same(query, reference, int(q), int(r), int(start), int(ends[c]))
            for q, r, start, c in zip(own, there, starts, clip, strict=True)
        )

    def _index(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        if self._sorted is None:
            reference, ends = self.arrays()
            positions = np.argsort(reference, kind="stable")
            positions = positions[reference[positions] != 0]
            self._sorted = reference, ends, reference[positions], positions
        return self._sorted


def blocks(file: Path | io.BytesIO) -> Iterator[np.ndarray]:
    """A sound file as float32 blocks at RATE Hz, each overlapping the one before by two seconds.

    Raises BadRecording.
    """
    overlap = np.zeros(0, np.float32)
    with AudioStream(file) as stream:
        rate = stream.info.sample_rate
        for block in gather(iter(stream), _BLOCK_SECONDS * rate):
            joined = np.concatenate([overlap, block])
            overlap = joined[-2 * rate :]
            yield clips.resample(joined, rate, RATE)


def fingerprint(samples: np.ndarray) -> np.ndarray:
    """float32 (T,) at RATE Hz to uint32 (frames,); 0 where it is silent."""
    if len(samples) < FRAME + HOP:
        return np.zeros(0, np.uint32)
    frames = sliding_window_view(np.asarray(samples, np.float32), FRAME)[::HOP]
    energies = np.concatenate([_band_energies(frames[at : at + 1_024]) for at in range(0, len(frames), 1_024)])
    differences = np.diff(np.diff(energies[:, :33], axis=1), axis=0)
    bits = (differences > 0.0) @ (1 << np.arange(32, dtype=np.uint64))
    loud = energies[1:, 33] > _SILENCE
    return np.where(loud, bits, 0).astype(np.uint32)


def _band_energies(frames: np.ndarray) -> np.ndarray:
    """(B, FRAME) to (B, 34): the energies of 33 bands and the mean square of the frame."""
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(FRAME).astype(np.float32), axis=1)) ** 2
    bands = np.add.reduceat(spectrum[:, : _EDGES[-1]], _EDGES[:-1], axis=1)
    return np.concatenate([bands, np.mean(frames * frames, axis=1)[:, None]], axis=1)


def _candidates(query: np.ndarray, keys: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of frames (query, reference) that differ in one bit at most, thinned evenly."""
    at = np.flatnonzero(query)
    wanted = (query[at][:, None] ^ _FLIPS).ravel()
    first = np.searchsorted(keys, wanted)
    hits = np.flatnonzero(keys[np.minimum(first, len(keys) - 1)] == wanted) if len(keys) else np.zeros(0, int)
    hits = hits[:: max(1, len(hits) // _MOST_CANDIDATES)]
    return at[hits // len(_FLIPS)], positions[first[hits]]


def _same(query: np.ndarray, reference: np.ndarray, q: int, r: int, start: int, end: int) -> bool:
    """Whether the frames around a pair are the same sound."""
    before, after = min(q, r - start), min(len(query) - q, end - r)
    length = min(_WINDOW, before + after)
    if length < _LEAST_FRAMES:
        return False
    back = min(before, max(length // 2, length - after))
    ours, theirs = query[q - back : q - back + length], reference[r - back : r - back + length]
    loud = (ours != 0) & (theirs != 0)
    if loud.sum() < _LEAST_FRAMES or len(np.unique(ours[loud])) < _LEAST_FRAMES // 4:
        return False
    errors = np.bitwise_count(ours[loud] ^ theirs[loud]).mean() / 32
    return bool(errors < (_MOST_ERRORS if length == _WINDOW else _MOST_ERRORS_SHORT))
