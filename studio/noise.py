"""Background noise of several kinds, each float32 (T,) at unit RMS, and mixing at a set signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

KINDS = ("white", "pink", "babble", "hum", "street")
BABBLE_TALKERS = 6

Samples = NDArray[np.float32]


def noise(
    kind: str, length: int, sample_rate: int, rng: np.random.Generator, talkers: Sequence[Samples] = ()
) -> Samples:
    """Noise of one of `KINDS`, `length` samples at `sample_rate` Hz, unit RMS.

    `talkers` are utterances at the same rate to make babble from; babble without them raises ValueError.
    """
    if kind == "white":
        made = rng.standard_normal(length, dtype=np.float32)
    elif kind == "pink":
        made = _coloured(length, sample_rate, rng, exponent=0.5)
    elif kind == "hum":
        made = _hum(length, sample_rate, rng)
    elif kind == "street":
        made = _street(length, sample_rate, rng)
    elif kind == "babble":
        made = _babble(length, rng, talkers)
    else:
        raise ValueError(f"noise kind {kind!r} is unknown; use one of {', '.join(KINDS)}")
    return (made / max(rms(made), 1e-9)).astype(np.float32)


def rms(samples: NDArray) -> float:
    """Root mean square of the samples."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0


def level_for_snr(speech: NDArray, active: NDArray[np.bool_], snr_db: float) -> float:
    """The RMS that noise must have for `snr_db`, the speech being measured only where `active` (T,) is true."""
    heard = speech[active] if active.any() else speech
    return rms(heard) * 10.0 ** (-snr_db / 20.0)


def _coloured(length: int, sample_rate: int, rng: np.random.Generator, exponent: float) -> Samples:
    """White noise with its amplitude spectrum shaped as frequency ** -exponent, flat under 20 Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequency = np.fft.rfftfreq(length, 1.0 / sample_rate)
    spectrum *= np.maximum(frequency, 20.0) ** -exponent
    return np.fft.irfft(spectrum, length).astype(np.float32)


def _hum(length: int, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Mains hum: 50 Hz with falling harmonics over a faint hiss, as from a badly shielded cable."""
    time = np.arange(length) / sample_rate
    made = np.zeros(length)
    for harmonic in range(1, 13):
        amplitude = rng.uniform(0.3, 1.0) / harmonic
        made += amplitude * np.sin(2 * np.pi * 50.0 * harmonic * time + rng.uniform(0, 2 * np.pi))
    return (made + 0.05 * rng.standard_normal(length)).astype(np.float32)


def _street(length: int, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Low rumble that swells as vehicles pass, with a few hissing passes of tyres."""
    rumble = _coloured(length, sample_rate, rng, exponent=1.0)
    hiss = _coloured(length, sample_rate, rng, exponent=0.3)
    time = np.arange(length) / sample_rate
    swell = np.full(length, 0.4)
    for _ in range(max(1, int(length / sample_rate / 6.0))):
        centre, width = rng.uniform(0, time[-1] + 1e-9), rng.uniform(0.6, 2.5)
        swell += rng.uniform(0.3, 1.2) * np.exp(-0.5 * ((time - centre) / width) ** 2)
    return (rumble / max(rms(rumble), 1e-9) * swell + 0.3 * hiss / max(rms(hiss), 1e-9) * swell**2).astype(np.float32)


def _babble(length: int, rng: np.random.Generator, talkers: Sequence[Samples]) -> Samples:
    """Several utterances at once, looped from random places, so that none can be followed."""
    if not talkers:
        raise ValueError("babble is made of speech: pass at least one utterance in `talkers`")
    made = np.zeros(length, np.float32)
    for _ in range(BABBLE_TALKERS):
        pieces, filled = [], 0
        while filled < length:
            piece = talkers[int(rng.integers(len(talkers)))]
            pieces.append(piece / max(rms(piece), 1e-9))
            filled += len(piece)
        track = np.concatenate(pieces)
        offset = int(rng.integers(len(track)))
        made += np.roll(track, offset)[:length]
    return made
