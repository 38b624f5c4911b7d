"""Which segments repeat another one: exactly, by the hash of their samples, or nearly, by text and sound.

Two segments are near duplicates if they are one event heard twice: the same words with the same timing and pitch,
through another encoding, level, noise or cut of some milliseconds. A sentence said again, by whomever, is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus.candidates import Pairs, Rows

LONGEST_SHIFT = 0.25
"""Seconds by which the cuts of one event may lie apart."""
_RATE = 8000
_WINDOW = 256
_HOP = 64
LOWEST_BIN, HIGHEST_BIN = 3, 112  # 94 Hz to 3.5 kHz: what a telephone leaves of a voice
_COMPRESSION = 0.7
"""Exponent on magnitudes. Loud harmonics decide, so that noise counts little: 10 dB SNR costs about 0.04."""


def exact_pairs(sha256: NDArray[np.uint64], ids: Callable[[Rows], Sequence[str]]) -> Pairs:
    """Pairs of rows with the same samples, the smallest id first; chained, so n equal ones give n - 1 pairs.

    `sha256` are the first 128 bits of each row's hash, (rows, 2), zero where there is none; `ids` gives ids of rows.
    """
    order = np.lexsort((sha256[:, 1], sha256[:, 0]))
    hashes = sha256[order]
    same = np.append((hashes[1:] == hashes[:-1]).all(axis=1) & hashes[1:].any(axis=1), False)
    again = np.flatnonzero(same | np.append(False, same[:-1]))
    rows = order[again]
    group = np.cumsum(~np.append(False, same[:-1]))[again]
    rank = np.lexsort((np.array(ids(rows), dtype=object).astype(str), group))
    rows, group = rows[rank], group[rank]
    first = np.append(True, group[1:] != group[:-1]) if len(group) else np.zeros(0, bool)
    head = np.repeat(rows[first], np.diff(np.append(np.flatnonzero(first), len(rows)))) if len(rows) else rows
    return np.stack([head[~first], rows[~first]], axis=1)


def keepers(pairs: Pairs, dnsmos: NDArray[np.float32], ids: Callable[[Rows], Sequence[str]]) -> tuple[Rows, Rows]:
    """Rows that go and the row that is kept for each: of a group the best DNSMOS stays, at a tie the smallest id.

    A group is what any chain of pairs connects. Rows come in ascending order.
    """
    rows, ends = np.unique(pairs, return_inverse=True)
    group = components(len(rows), ends.reshape(-1, 2))
    rank = np.lexsort((np.array(ids(rows), dtype=object).astype(str), -dnsmos[rows].astype(np.float64), group))
    first = np.append(True, group[rank][1:] != group[rank][:-1]) if len(rows) else np.zeros(0, bool)
    best = np.empty(int(group.max(initial=-1)) + 1, np.int64)
    best[group[rank][first]] = rows[rank][first]
    kept = best[group]
    return rows[kept != rows], kept[kept != rows]


def components(nodes: int, pairs: Pairs) -> NDArray[np.int32]:
    """For each of the nodes 0, 1, ... the number of the connected component that it is in."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(nodes, nodes))
    return connected_components(graph, directed=False)[1]


def samples_sha256(samples: NDArray[np.int16], sample_rate: int) -> str:
    """SHA-256 of 16-bit samples and their rate in Hz."""
    return hashlib.sha256(f"{sample_rate}:".encode() + samples.astype("<i2").tobytes()).hexdigest()


def fingerprint(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.uint8]:
    """Compressed magnitudes of 94 Hz to 3.5 kHz, (frames of 8 ms, 109 bins), scaled to the loudest cell."""
    import soxr

    low = soxr.resample(samples, sample_rate, _RATE) if sample_rate != _RATE else samples
    if len(low) < _WINDOW:
        low = np.pad(low, (0, _WINDOW - len(low)))
    frames = np.lib.stride_tricks.sliding_window_view(low, _WINDOW)[::_HOP]
    magnitudes = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW).astype(np.float32), axis=1))
    cells = magnitudes[:, LOWEST_BIN:HIGHEST_BIN] ** _COMPRESSION
    return np.rint(cells * (255.0 / max(float(cells.max()), 1e-12))).astype(np.uint8)


def similarity(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> float:
    """Highest cosine of two fingerprints over shifts of up to 0.25 s, each bin about its mean; 1 for equal sounds."""
    left, right = (print_ - print_.mean(axis=0, dtype=np.float32) for print_ in (one, two))
    scale = float(np.linalg.norm(left)) * float(np.linalg.norm(right))
    if scale == 0.0:
        return 0.0
    best = 0.0
    reach = round(LONGEST_SHIFT * _RATE / _HOP)
    for shift in range(-reach, reach + 1):
        ours, theirs = left[max(0, shift) :], right[max(0, -shift) :]
        length = min(len(ours), len(theirs))
        best = max(best, float(np.vdot(ours[:length], theirs[:length])))
    return best / scale
