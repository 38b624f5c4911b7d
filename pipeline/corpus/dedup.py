"""Which segments repeat another one: exactly, by the hash of their samples, or nearly, by text and sound.

Two segments are near duplicates if they are one event heard twice: the same words with the same timing and pitch,
through another encoding, level, noise or cut of some milliseconds. A sentence said again, by whomever, is none.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LONGEST_SHIFT = 0.25
"""Seconds by which the cuts of one event may lie apart."""
_LENGTH_TOLERANCE = 2 * LONGEST_SHIFT
_RATE = 8000
_WINDOW = 256
_HOP = 64
_LOWEST_BIN, _HIGHEST_BIN = 3, 112  # 94 Hz to 3.5 kHz: what a telephone leaves of a voice
_COMPRESSION = 0.7
"""Exponent on magnitudes. Loud harmonics decide, so that noise counts little: 10 dB SNR costs about 0.04."""
_MOST_NEIGHBOURS = 100
_FACTORS = np.random.default_rng(0).integers(1 << 62, 1 << 63, 8, dtype=np.uint64) | np.uint64(1)


@dataclass(frozen=True)
class RecordingKey:
    """What deduplication knows of a segment before it listens. `text` is normalised, `audio_sha256` of its samples."""

    segment_id: str
    text: str
    seconds: float
    dnsmos: float
    audio_sha256: str | None = None


def exact_pairs(segments: Sequence[RecordingKey]) -> list[tuple[str, str]]:
    """Pairs of segment_id with the same samples; chained, so n equal ones give n - 1 pairs."""
    groups: dict[str, list[str]] = defaultdict(list)
    for segment in segments:
        if segment.audio_sha256:
            groups[segment.audio_sha256].append(segment.segment_id)
    return [(group[0], other) for group in groups.values() for other in group[1:]]


def candidate_pairs(segments: Sequence[RecordingKey], text_similarity: float) -> list[tuple[str, str]]:
    """Pairs of segment_id worth listening to: nearly the same text and length.

    Texts meet in buckets of shared bigram sketches and length, and in a bucket each meets at most 100 of nearest
    length, so the cost grows with the corpus and not with its square.
    """
    from rapidfuzz.distance import Levenshtein

    buckets: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for index, segment in enumerate(segments):
        cell = int(segment.seconds / _LENGTH_TOLERANCE)
        for number, sketch in enumerate(_sketch(segment.text)):
            buckets[number, sketch, cell].append(index)
            buckets[number, sketch, cell + 1].append(index)
    found: set[tuple[int, int]] = set()
    refused: set[tuple[int, int]] = set()
    for members in buckets.values():
        members.sort(key=lambda index: (segments[index].seconds, segments[index].segment_id))
        for place, one in enumerate(members):
            for two in members[place + 1 : place + 1 + _MOST_NEIGHBOURS]:
                if segments[two].seconds - segments[one].seconds > _LENGTH_TOLERANCE:
                    break
                pair = (one, two) if one < two else (two, one)
                if pair in found or pair in refused:
                    continue
                texts = segments[one].text, segments[two].text
                alike = Levenshtein.normalized_similarity(*texts, score_cutoff=text_similarity) >= text_similarity
                (found if alike else refused).add(pair)
    return [(segments[one].segment_id, segments[two].segment_id) for one, two in sorted(found)]


def _sketch(text: str) -> Iterator[int]:
    """Smallest hash of the text's bigrams under each of 8 functions: two texts share one with the chance of overlap."""
    grams = {text[at : at + 2] for at in range(max(1, len(text) - 1))}
    hashes = np.array(
        [int.from_bytes(hashlib.blake2b(gram.encode(), digest_size=8).digest(), "big") for gram in grams], np.uint64
    )
    for factor in _FACTORS:
        mixed = hashes * factor
        yield int((mixed ^ (mixed >> np.uint64(31))).min())


def groups(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Connected groups of the pairs' ids, each sorted, in order of their first id."""
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while parents.setdefault(name, name) != name:
            parents[name] = parents[parents[name]]
            name = parents[name]
        return name

    for one, two in pairs:
        low, high = sorted((root(one), root(two)))
        parents[high] = low
    members: dict[str, list[str]] = defaultdict(list)
    for name in sorted(parents):
        members[root(name)].append(name)
    return list(members.values())


def keepers(segments: Mapping[str, RecordingKey], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """{segment_id: segment_id of the one kept instead}: of a group the best DNSMOS stays, at a tie the smallest id."""
    replaced = {}
    for group in groups(pairs):
        kept = min(group, key=lambda name: (-segments[name].dnsmos, name))
        replaced |= {name: kept for name in group if name != kept}
    return replaced


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
    cells = magnitudes[:, _LOWEST_BIN:_HIGHEST_BIN] ** _COMPRESSION
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
