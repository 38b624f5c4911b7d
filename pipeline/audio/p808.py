"""DNSMOS P.808: one predicted opinion of a listener, 1 to 5, after Reddy et al., "DNSMOS" (ICASSP 2021).

The network lies in the speechmos wheel. Its input is a mel spectrogram that the authors made with librosa, and that is
made here without: 120 bands after Slaney, windows of 321 samples every 160, in decibels under the loudest.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
SAMPLES = 144_000
"""Samples of one window that the network sees: 9 s, 900 frames."""

_WINDOW, _HOP, _BANDS = 321, 160, 120
_FLOOR, _RANGE_DB = 1e-10, 80.0


class P808:
    """The network, open, on one thread."""

    def __init__(self, model_file: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            model_file, sess_options=options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def scores(self, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The opinions (W,) of windows, each float32 (144000,) at 16 kHz in [-1, 1]."""
        mels = np.stack([mel_spectrogram(window) for window in windows])
        return self._session.run(None, {self._input: mels})[0][:, 0]


def mel_spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (T,) at 16 kHz -> (T // 160, 120): decibels under the loudest cell plus 40, over 40."""
    padded = np.pad(samples, _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    # scipy's periodic Hann window; numpy's is the symmetric one.
    window = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    mel = power @ _mel_filters()
    decibels = 10 * np.log10(np.maximum(mel, _FLOOR)) - 10 * np.log10(max(float(mel.max()), _FLOOR))
    return ((np.maximum(decibels, -_RANGE_DB) + 40.0) / 40.0).astype(np.float32)


@lru_cache(maxsize=1)
def _mel_filters() -> NDArray[np.float64]:
    """Triangular filters (161, 120) of equal area, from 0 to 8000 Hz on Slaney's scale."""
    edges = _hertz(np.linspace(0.0, _mel(SAMPLE_RATE / 2), _BANDS + 2))
    bins = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE)[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle))
    return np.maximum(0.0, triangles) * (2.0 / (high - low))


# Slaney (1998), Auditory Toolbox: linear below 1000 Hz, 27 steps an octave-like factor of 6.4 above.
_LINEAR_HZ, _BREAK_HZ, _STEP = 200.0 / 3, 1000.0, np.log(6.4) / 27


def _mel(hertz: float) -> float:
    if hertz < _BREAK_HZ:
        return hertz / _LINEAR_HZ
    return _BREAK_HZ / _LINEAR_HZ + float(np.log(hertz / _BREAK_HZ)) / _STEP


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    corner = _BREAK_HZ / _LINEAR_HZ
    return np.where(mel < corner, mel * _LINEAR_HZ, _BREAK_HZ * np.exp(_STEP * (mel - corner)))
