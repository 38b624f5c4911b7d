"""Room acoustics: synthetic impulse responses with an exponentially decaying, darkening tail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Room:
    """One room: reverberation time in seconds and the direct sound's level over the tail's, in dB."""

    rt60: float
    direct_to_reverberant_db: float


def random_room(rng: np.random.Generator) -> Room:
    """A furnished room, from a studio cabin (0.1 s) to a bare hall (0.6 s)."""
    return Room(rt60=float(rng.uniform(0.1, 0.6)), direct_to_reverberant_db=float(rng.uniform(3.0, 15.0)))


def impulse_response(room: Room, sample_rate: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Impulse response float32 (T,) of one place in the room, peak first: it delays nothing, so truth stays true.

    The tail is noise falling by 60 dB in `rt60` seconds after a 2 to 12 ms gap; its high frequencies die twice as fast.
    """
    length = max(int(room.rt60 * sample_rate), 8)
    time = np.arange(length) / sample_rate
    decay = 10.0 ** (-3.0 * time / room.rt60)
    bright = rng.standard_normal(length)
    dark = np.convolve(bright, np.hanning(9) / 4.0, mode="same")
    tail = dark * decay + bright * decay**2
    gap = int(rng.uniform(0.002, 0.012) * sample_rate)
    tail[:gap] = 0.0
    energy = float(np.sum(tail**2))
    if energy > 0:
        tail *= np.sqrt(10.0 ** (-room.direct_to_reverberant_db / 10.0) / energy)
    tail[0] = 1.0
    return tail.astype(np.float32)


def reverberate(samples: NDArray[np.float32], response: NDArray[np.float32]) -> NDArray[np.float32]:
    """The samples (T,) heard through the response, cut to their own length (T,)."""
    size = 1 << int(np.ceil(np.log2(len(samples) + len(response))))
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(response, size)
    return np.fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)
