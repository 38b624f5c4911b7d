"""Cheap augmentation of 16 kHz speech for training: noise at a set SNR, rooms, speed, band limits, gain.

All random choices come from the generator that is passed in, so a batch is a function of its seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from studio.noise import KINDS, noise
from studio.rooms import Room, impulse_response

SAMPLE_RATE = 16_000

Samples = NDArray[np.float32]


class NoisePool:
    """Minutes of noise of every kind made once and handed out as random slices. `speech` is what babble is made of."""

    def __init__(self, seed: int, speech: Sequence[Samples], seconds: int = 60) -> None:
        rng = np.random.default_rng([seed, 77])
        length = seconds * SAMPLE_RATE
        self.kinds: dict[str, Samples] = {kind: noise(kind, length, SAMPLE_RATE, rng, speech) for kind in KINDS}

    def slice(self, rng: np.random.Generator, length: int, kind: str | None = None) -> Samples:
        """`length` samples of a random (or the named) kind at unit RMS over the pool; wraps round when longer."""
        source = self.kinds[kind if kind is not None else KINDS[int(rng.integers(len(KINDS)))]]
        start = int(rng.integers(len(source)))
        if start + length <= len(source):
            return source[start : start + length]
        return np.resize(np.concatenate([source[start:], source[:start]]), length)


def speech_level(samples: Samples) -> float:
    """RMS over the 20 ms frames within 30 dB of the loudest: pauses do not count."""
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    if len(frames) == 0:
        return 0.0
    power = np.einsum("ij,ij->i", frames, frames) / 320
    peak = float(power.max())
    return float(np.sqrt(power[power >= peak * 1e-3].mean())) if peak > 0 else 0.0


def add_noise(samples: Samples, background: Samples, snr_db: float) -> Samples:
    """Speech plus background (unit RMS) at `snr_db`, the speech level taken over its active frames."""
    return (samples + background * (speech_level(samples) * 10 ** (-snr_db / 20))).astype(np.float32)


def change_speed(samples: Samples, factor: float) -> Samples:
    """Played `factor` times as fast: pitch and formants move along, the length divides by the factor."""
    positions = np.arange(0, len(samples) - 1, factor)
    return np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)


def band_limit(samples: Samples, low_hz: float, high_hz: float) -> Samples:
    """Fourth-order band pass, as of a telephone or a low-rate codec."""
    sections = signal.butter(4, (low_hz, high_hz), "bandpass", fs=SAMPLE_RATE, output="sos")
    return np.asarray(signal.sosfilt(sections, samples), np.float32)


def degrade(samples: Samples, rng: np.random.Generator, pool: NoisePool, strength: float = 1.0) -> Samples:
    """A random recording condition: perhaps a room, noise of one or two kinds, a narrow band; always a random gain.

    `strength` in [0, 1] scales how often each happens, so that training may begin with clean speech.
    """
    if rng.random() < 0.3 * strength:
        room = Room(float(rng.uniform(0.1, 0.7)), float(rng.uniform(0.0, 15.0)))
        samples = signal.oaconvolve(samples, impulse_response(room, SAMPLE_RATE, rng))[: len(samples)]
    if rng.random() < 0.75 * strength:
        samples = add_noise(samples, pool.slice(rng, len(samples)), float(rng.triangular(2.0, 10.0, 30.0)))
        if rng.random() < 0.2:
            samples = add_noise(samples, pool.slice(rng, len(samples)), rng.uniform(15.0, 35.0))
    if rng.random() < 0.15 * strength:
        samples = band_limit(samples, rng.uniform(40.0, 300.0), rng.uniform(3200.0, 7600.0))
    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    return samples * np.float32(rng.uniform(0.05, 0.95) / max(peak, 1e-6))
