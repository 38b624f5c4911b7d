"""What the aligner learns from: utterances strung together with pauses, rooms and noise, and the label of each 10 ms.

Everything is a function of (bank, seed, step), so that training can be resumed and repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from pipeline.recognition.aligner_model import BLANK, FRAME_SECONDS, HOP, LABELS, SAMPLE_RATE, encode, level_gain
from pipeline.text.romanize import syllable_letters
from recipes.augment import change_speed
from studio.noise import KINDS, noise, rms
from studio.rooms import impulse_response, random_room

_VOWELS = frozenset("aeiouAEIOU")
_CONSONANT_WEIGHT = 0.5
_NOISE_SECONDS = 20.0
SPEED_SHARE, SPEEDS = 0.5, (0.85, 1.18)
"""Of the utterances, and by how much: pitch and formants move along, so there are more voices than the bank has."""


class Utterances(Protocol):
    """An utterance bank: (float32 (T,) at 16 kHz, row with dialect, text, characters, syllables, char_start, char_end).

    Times are seconds from the utterance's start.
    """

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[NDArray[np.float32], dict[str, Any]]: ...


def frame_labels(
    frames: int, syllables: Sequence[str], starts: Sequence[float], ends: Sequence[float]
) -> NDArray[np.int64]:
    """(frames,) label of each 10 ms: blank in pauses, each syllable's labels spread over its span in seconds.

    Within a syllable the true letter boundaries are not known; a consonant letter gets half a vowel letter's share, and
    what matters, where syllables begin and end, is exact.
    """
    labels = np.full(frames, BLANK, np.int64)
    for syllable, start, end in zip(syllables, starts, ends, strict=True):
        first, last = round(start / FRAME_SECONDS), round(end / FRAME_SECONDS)
        targets = encode(syllable_letters(syllable))
        if not targets or last <= first:
            continue
        weights = [1.0 if LABELS[label] in _VOWELS else _CONSONANT_WEIGHT for label in targets]
        if last - first < 2 * len(targets):
            weights = [1.0] * len(targets)  # no room for shares: every label gets its frame if there are enough
        centres = (np.arange(last - first) + 0.5) / (last - first)
        places = np.searchsorted(np.cumsum(weights) / sum(weights), centres).clip(max=len(targets) - 1)
        inside = slice(max(first, 0), min(last, frames))
        labels[inside] = np.array(targets)[places][inside.start - first : inside.stop - first]
    return labels


def noise_pool(bank: Utterances, seed: int, each: int = 3) -> list[NDArray[np.float32]]:
    """Some clips of every kind of noise at unit RMS, made once: cutting from them is cheaper than making them."""
    rng = np.random.default_rng([seed, 7])
    talkers = [bank[int(index)][0] for index in rng.integers(len(bank), size=24)]
    length = int(_NOISE_SECONDS * SAMPLE_RATE)
    return [noise(kind, length, SAMPLE_RATE, rng, talkers) for kind in KINDS for _ in range(each)]


def example(
    bank: Utterances, pool: Sequence[NDArray[np.float32]], seconds: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """One stretch of `seconds`: samples (N,) at the level the network expects, and labels (N // 160,)."""
    length = int(seconds * SAMPLE_RATE) // (2 * HOP) * 2 * HOP
    clean, labels = _stretch(bank, length, rng)
    heard: NDArray[np.float32] = clean
    if rng.random() < 0.5:
        response = impulse_response(random_room(rng), SAMPLE_RATE, rng)
        heard = oaconvolve(heard, response)[:length].astype(np.float32)
    if rng.random() < 0.85:
        clip = pool[int(rng.integers(len(pool)))]
        offset = int(rng.integers(len(clip) - length)) if len(clip) > length else 0
        spoken = np.repeat(labels != BLANK, HOP)
        level = rms(heard[spoken]) if spoken.any() else 0.05
        background = np.resize(clip[offset : offset + length], length)
        heard = (heard + background * level * 10.0 ** (-rng.uniform(0.0, 30.0) / 20.0)).astype(np.float32)
    gain = level_gain(heard) * 10.0 ** (rng.normal(0.0, 3.0) / 20.0)
    return (heard * np.float32(gain)).astype(np.float32), labels


def batch(
    bank: Utterances, pool: Sequence[NDArray[np.float32]], size: int, seconds: float, seed: int, step: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Examples of one training step: samples (size, N) and labels (size, N // 160)."""
    rng = np.random.default_rng([seed, step])
    examples = [example(bank, pool, seconds, rng) for _ in range(size)]
    return np.stack([samples for samples, _ in examples]), np.stack([labels for _, labels in examples])


def _stretch(bank: Utterances, length: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Utterances of any voices after each other, from anywhere in the first, with their own levels and pauses."""
    samples = np.zeros(length, np.float32)
    labels = np.full(length // HOP, BLANK, np.int64)
    position = int(rng.uniform(-2.0, 0.6) * SAMPLE_RATE) // HOP
    while position < len(labels):
        sound, row = bank[int(rng.integers(len(bank)))]
        starts, ends = np.asarray(row["char_start"]), np.asarray(row["char_end"])
        if rng.random() < SPEED_SHARE:
            speed = float(rng.uniform(*SPEEDS))
            sound, starts, ends = change_speed(sound, speed), starts / speed, ends / speed
        frames = len(sound) // HOP
        said = frame_labels(frames, row["syllables"], starts.tolist(), ends.tolist())
        first, last = max(0, -position), min(frames, len(labels) - position)
        if last > first:
            level = np.float32(10.0 ** (rng.normal(0.0, 4.0) / 20.0))
            samples[(position + first) * HOP : (position + last) * HOP] = sound[first * HOP : last * HOP] * level
            labels[position + first : position + last] = said[first:last]
        pause = rng.exponential(0.3) if rng.random() < 0.9 else rng.uniform(0.5, 3.0)
        position += frames + int(pause / FRAME_SECONDS)
    return samples, labels
