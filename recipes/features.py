"""Log-mel features in torch, equal to those that faster-whisper computes: 80 bands, 25 ms windows, 100 frames a second.

Frames a waveform shorter than 30 s are not padded here; faster-whisper pads features (not audio) with zeros.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SAMPLE_RATE = 16_000
HOP = 160
N_FFT = 400
N_MELS = 80
FRAMES_PER_SECOND = SAMPLE_RATE // HOP
WINDOW_FRAMES = 3000


@cache
def mel_filters() -> Tensor:
    """Slaney-scale triangular filters with unit area, (N_MELS, N_FFT // 2 + 1)."""
    frequencies = np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE)
    mels = np.linspace(0.0, 45.245640471924965, N_MELS + 2)
    linear_step, log_step = 200.0 / 3, np.log(6.4) / 27.0
    first_log_mel = 1000.0 / linear_step
    edges = np.where(mels >= first_log_mel, 1000.0 * np.exp(log_step * (mels - first_log_mel)), linear_step * mels)
    widths = np.diff(edges)
    ramps = edges[:, None] - frequencies[None, :]
    rising, falling = -ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    filters *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return torch.from_numpy(filters.astype(np.float32))


@cache
def _hann() -> Tensor:
    return torch.from_numpy(np.hanning(N_FFT + 1)[:-1].astype(np.float32))


def log_mel(samples: NDArray[np.float32]) -> Tensor:
    """Whisper's features of 16 kHz mono audio: (N_MELS, len(samples) // HOP) float32, roughly in [-1, 2].

    The dynamic range is held to 80 dB below the loudest cell of this piece of audio. Needs at least 200 samples.
    """
    if len(samples) <= N_FFT // 2:
        raise ValueError(f"log_mel needs more than {N_FFT // 2} samples, got {len(samples)}")
    waveform = torch.nn.functional.pad(torch.from_numpy(np.ascontiguousarray(samples, np.float32)), (0, HOP))
    spectrum = torch.stft(waveform, N_FFT, HOP, window=_hann(), center=True, pad_mode="reflect", return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()  # (N_FFT // 2 + 1, frames + 2)
    level = torch.log10(torch.clamp(mel_filters() @ power[:, :-1], min=1e-10))
    level = torch.maximum(level, level.max() - 8.0)
    return ((level + 4.0) / 4.0)[:, : len(samples) // HOP]
