"""How well the identifier knows dialects, and how well it knows when it does not: accuracy, calibration, lost tones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.augment import NoisePool, add_noise
from recipes.bank import SAMPLE_RATE, Bank
from recipes.dialect.speech import KINDS, LABELS
from studio.rooms import Room, impulse_response, reverberate

BINS = 10
CONDITIONS = ("clean", "20 dB", "10 dB", "5 dB", "room")

Windows = list[tuple[NDArray[np.float32], str]]
"""Samples (T,) at 16 kHz and the kind that they are of."""


def windows(bank: Bank, seconds: float, voices: Sequence[str] | None = None) -> Windows:
    """The bank's utterances cut into whole windows; only those of `voices` if given."""
    found: Windows = []
    length = int(seconds * SAMPLE_RATE)
    for index in range(len(bank)):
        samples, row = bank[index]
        if voices is None or row["voice_id"] in voices:
            starts = range(0, len(samples) - length + 1, length)
            found += [(samples[start : start + length], row["dialect"]) for start in starts]
    return found


def in_condition(clips: Windows, condition: str, noise: NoisePool, seed: int) -> Windows:
    """The windows with noise of five kinds at that ratio, or in a room of 0.5 s."""
    rng = np.random.default_rng([seed, CONDITIONS.index(condition)])
    made: Windows = []
    for samples, kind in clips:
        if condition == "room":
            samples = reverberate(samples, impulse_response(Room(0.5, 3.0), SAMPLE_RATE, rng))
        elif condition != "clean":
            samples = add_noise(samples, noise.slice(rng, len(samples)), float(condition.split()[0]))
        made.append((samples, kind))
    return made


def calibration_error(probabilities: NDArray[np.floating], right: NDArray[np.bool_], bins: int = BINS) -> float:
    """Expected calibration error (Guo et al. 2017, eq. 3): gap of confidence and accuracy, by bins of equal width."""
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = [
        abs(probabilities[place == index].mean() - right[place == index].mean()) * (place == index).mean()
        for index in range(bins)
        if (place == index).any()
    ]
    return float(sum(gaps))


def wilson(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z = 1.959964
    share, width = right / count, z * z / count
    centre = (share + width / 2) / (1 + width)
    half = z / (1 + width) * np.sqrt(share * (1 - share) / count + width / (4 * count))
    return float(centre - half), float(centre + half)


def judged(identifier: Any, clips: Windows, size: int = 64) -> NDArray[np.float32]:
    """(windows, labels) probabilities."""
    parts = [
        identifier([samples for samples, _ in clips[first : first + size]]) for first in range(0, len(clips), size)
    ]
    return np.concatenate(parts)


def figures(found: NDArray[np.float32], kinds: Sequence[str]) -> dict[str, float]:
    """Accuracy with interval, calibration error and mean confidence of windows that have a right answer."""
    truth = np.array([LABELS.index(KINDS[kind].label) for kind in kinds])
    right = found.argmax(1) == truth
    low, high = wilson(int(right.sum()), len(right))
    return {
        "n": len(right),
        "accuracy": float(right.mean()),
        "low": low,
        "high": high,
        "ece": calibration_error(found.max(1), right),
        "confidence": float(found.max(1).mean()),
    }


def score_card(identifier: Any, bank: Bank, voices: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """All figures of the card, on those voices of a held-out bank."""
    rng = np.random.default_rng([seed, 3])
    noise = NoisePool(seed + 1000, [bank[int(index)][0] for index in rng.integers(len(bank), size=12)])
    card: dict[str, Any] = {"voices": len(voices), "lengths": {}, "conditions": {}, "kinds": {}, "flat": {}}
    for seconds in (1.0, 2.0, 3.0, 5.0, 8.0):
        clips = list(_spoken(windows(bank, seconds, voices)))
        own = [(samples, kind) for samples, kind in clips if KINDS[kind].label == kind]
        card["lengths"][str(seconds)] = figures(judged(identifier, own), [kind for _, kind in own])
    clips = windows(bank, 5.0, voices)
    own = [(samples, kind) for samples, kind in clips if KINDS[kind].label == kind]
    for condition in CONDITIONS:
        found = judged(identifier, in_condition(own, condition, noise, seed))
        card["conditions"][condition] = figures(found, [kind for _, kind in own])
        if condition == "clean":
            truth = [LABELS.index(kind) for _, kind in own]
            table = np.zeros((len(LABELS), len(LABELS)), int)
            np.add.at(table, (truth, found.argmax(1)), 1)
            card["confusion"] = table.tolist()
    for kind in sorted({kind for _, kind in clips}):
        same = [(samples, name) for samples, name in clips if name == kind]
        found = judged(identifier, same)
        if KINDS[kind].flat:
            card["flat"][kind] = {"n": len(same), "confidence": float(found.max(1).mean())}
        else:
            card["kinds"][kind] = figures(found, [name for _, name in same])
    return card


def _spoken(clips: Windows) -> Iterator[tuple[NDArray[np.float32], str]]:
    return ((samples, kind) for samples, kind in clips if not KINDS[kind].flat)
