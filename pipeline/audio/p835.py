"""The network of DNSMOS P.835 in two halves, so that no sound goes through its first, costly half twice.

The first half, 97 % of the arithmetic, sees four frames around each; the second takes the maximum over a window of 900
frames. Windows that overlap share their frames, and so do the repetitions of a clip that is shorter than a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import onnx_parts

HOP = 160
"""Samples by which frames move; a frame is two of them long."""
FRAMES = 900
WINDOW = (FRAMES + 1) * HOP
"""Samples of a window: 9.01 s."""

_CONTEXT = 4
"""Frames on either side that a frame's features depend on: four convolutions of three."""
_PIECE = 180
_MOST = 3000
"""Frames whose features are held at a time; 20 kB each."""
_LARGEST = 2**63 - 1
_FEATURES = "mos_estimator_logpow/conv2d_3/Relu:0"
_CHANNELS, _BINS = 32, 161
# Of any number of frames: the first half of each ends where its second begins, and either is (batch, frames, HOP).
_ANY_LENGTH = {
    "input_1:01_cropping_end": (_LARGEST, -HOP),
    "shape_tensor": (0, -1, HOP),
    "shape_tensor1": (0, -1, HOP),
}


class P835Network:
    """The network, open, on one thread; `model` are the bytes of `sig_bak_ovr.onnx`."""

    def __init__(self, model: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        features = ("N", _CHANNELS, "frames", _BINS)
        self._first, self._second = (
            onnxruntime.InferenceSession(half, sess_options=options, providers=["CPUExecutionProvider"])
            for half in (
                onnx_parts.part(model, ("input_1", ("N", "samples")), (_FEATURES, features), _ANY_LENGTH),
                onnx_parts.part(model, (_FEATURES, features), ("Identity:0", ("N", 3))),
            )
        )

    def windows(self, samples: NDArray[np.float32], starts: Sequence[int]) -> NDArray[np.float32]:
        """The raw scores (W, 3) of windows of 9.01 s of float32 (T,), T >= WINDOW, from these samples on, in order.

        Windows share frames if their starts are whole frames apart.
        """
        scores = np.zeros((len(starts), 3), np.float32)
        for together in _sharing(starts):
            first = starts[together[0]]
            shared = self._features(samples[first : starts[together[-1]] + WINDOW])
            for number in together:
                begin = (starts[number] - first) // HOP
                window = shared[:, begin : begin + FRAMES].copy()
                self._set_edges(window, samples[starts[number] : starts[number] + WINDOW])
                scores[number] = self._judged(window)
        return scores

    def repeated(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The raw scores (1, 3) of a clip shorter than a window, of whole frames, that is repeated to fill one."""
        period = samples.size // HOP
        if samples.size % HOP or not 0 < period < FRAMES:
            raise ValueError(f"{samples.size} samples are no whole number of frames shorter than a window")
        wanted = min(period + 2 * _CONTEXT, FRAMES)
        sound = np.resize(samples, WINDOW)
        shared = self._features(sound[: (wanted + 1) * HOP])
        places = np.arange(FRAMES)
        inner = places >= _CONTEXT
        places[inner] = _CONTEXT + (places[inner] - _CONTEXT) % period
        window = shared[:, np.minimum(places, wanted - 1)]
        self._set_edges(window, sound)
        return self._judged(window)[None]

    def _features(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (T,), T a multiple of HOP -> (32, T / HOP - 1, 161), in pieces that the processor's cache holds."""
        count = samples.size // HOP - 1
        pieces = []
        for begin in range(0, count, _PIECE):
            end = min(begin + _PIECE, count)
            low, high = max(0, begin - _CONTEXT), min(end + _CONTEXT, count)
            found = self._run(self._first, "input_1", samples[low * HOP : (high + 1) * HOP])
            pieces.append(found[:, begin - low : end - low])
        return np.concatenate(pieces, axis=1)

    def _set_edges(self, window: NDArray[np.float32], sound: NDArray[np.float32]) -> None:
        """Put the first and last frames of a window's features in, which see nothing beyond it; `sound` is its own."""
        reach = (2 * _CONTEXT + 1) * HOP
        window[:, :_CONTEXT] = self._run(self._first, "input_1", sound[:reach])[:, :_CONTEXT]
        window[:, -_CONTEXT:] = self._run(self._first, "input_1", sound[-reach:])[:, -_CONTEXT:]

    def _judged(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._run(self._second, _FEATURES, window)

    @staticmethod
    def _run(session: Any, name: str, one: NDArray[np.float32]) -> NDArray[np.float32]:
        return session.run(None, {name: np.ascontiguousarray(one[None], np.float32)})[0][0]


def _sharing(starts: Sequence[int]) -> list[list[int]]:
    """Numbers of the windows that overlap by whole frames, those of one run of sound together, in order."""
    runs: list[list[int]] = []
    open_runs: dict[int, list[int]] = {}
    for number, start in enumerate(starts):
        run = open_runs.get(start % HOP)
        if run is None or start - starts[run[-1]] >= WINDOW or start - starts[run[0]] > (_MOST - FRAMES) * HOP:
            run = open_runs[start % HOP] = []
            runs.append(run)
        run.append(number)
    return runs
