"""Decoded frames to arrays: all channels of a frame, and the mono samples that everything else works on."""

from __future__ import annotations

from typing import Any

import av
import numpy as np

from pipeline.audio.decoding_options import DecodingOptions

# From so many planes on, PyAV's AudioFrame.planes reads past the end of FFmpeg's array of them and crashes.
_UNSAFE_PLANES = 8
# Floats beyond are no sound any more; programs that write integers as floats stay below.
_LARGEST = float(2**31)
_LARGEST_UNSCALED = 1e3


def channels_of(frame: Any) -> np.ndarray:
    """A decoded frame to floats (C, T): integers in [-1, 1], floats as they are, though none is infinite or NaN."""
    count = frame.layout.nb_channels
    if frame.format.is_planar and count >= _UNSAFE_PLANES:
        packed = av.AudioResampler(format=frame.format.packed, layout=frame.layout, rate=frame.sample_rate)
        (frame,) = packed.resample(frame)
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, count).T
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - 128) / 128
    if values.dtype.kind == "i":
        wide = np.float64 if values.itemsize > 2 else np.float32
        return values.astype(wide) / float(2 ** (8 * values.itemsize - 1))
    # NaN is not less than anything either; nearly no frame has any of it.
    if np.abs(values).max(initial=0.0) <= _LARGEST:
        return values
    return np.clip(np.nan_to_num(values, nan=0.0), -_LARGEST, _LARGEST)


def mono(values: np.ndarray, options: DecodingOptions) -> np.ndarray:
    """(C, T) to float32 (T,) in [-1, 1]: the mean of the chosen channels, scaled and cut at full scale."""
    chosen = options.channels
    if chosen is not None and max(chosen) < len(values):
        values = values[list(chosen)]
    if options.gain == 1.0:
        values = np.clip(values, -_LARGEST_UNSCALED, _LARGEST_UNSCALED)
    mixed = values[0] if len(values) == 1 else values.mean(axis=0)
    if options.gain != 1.0:
        mixed = mixed * options.gain
    return np.clip(mixed, -1.0, 1.0).astype(np.float32)
