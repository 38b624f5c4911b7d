"""Noise at a known signal-to-noise ratio: pink noise, and a mixture of speech and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SNRS_DB: tuple[float | None, ...] = (None, 20.0, 10.0, 5.0, 0.0)


def mixed(clean: NDArray[np.float32], noise: NDArray[np.float32], snr_db: float) -> NDArray[np.float32]:
    """Speech with noise at an SNR over the whole clip, scaled down where it would clip. All float32 (T,).

    Raises ValueError if either is silent: then no SNR can be set.
    """
    speech, other = float(np.mean(clean.astype(np.float64) ** 2)), float(np.mean(noise.astype(np.float64) ** 2))
    if not speech > 0 or not other > 0:
        raise ValueError("speech or noise is silent, so no signal-to-noise ratio can be set")
    both = clean + noise * np.float32(np.sqrt(speech / other) * 10 ** (-snr_db / 20))
    return (both / max(1.0, float(np.abs(both).max()) / 0.99)).astype(np.float32)


def pink_noise(count: int, rate: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Noise whose power falls with frequency, as that of rooms and streets does, from 20 Hz on; float32 (count,)."""
    spectrum = np.fft.rfft(generator.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / rate)
    shaped = np.fft.irfft(spectrum / np.sqrt(np.maximum(hertz, 20.0)), count)
    return (shaped / max(float(np.sqrt(np.mean(shaped**2))), 1e-12)).astype(np.float32)
