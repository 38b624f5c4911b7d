"""Reference and prompt audio for a voice: read, brought to mono and the model's rate, checked, denoised if asked."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import clips

SHORTEST_SECONDS = 1.0
ADVISED_SECONDS = 5.0
_SILENT_DBFS = -60.0
_QUIET_DBFS = -40.0
_CLIPPED_SHARE = 0.001
_DENOISER_RATE = 48_000

Source = str | os.PathLike[str] | tuple[NDArray[np.floating], int]


class UnusableReference(ValueError):
    """The audio cannot stand for a voice: too short, silent or not finite. The message says which and what to do."""


class WeakReference(UserWarning):
    """The audio will do, but a better one would do better."""


def load_reference(source: Source, sample_rate: int, denoise: bool = False) -> NDArray[np.float32]:
    """A file, or samples (T,) or (T, channels) with their rate in Hz, to float32 (T,) at `sample_rate`.

    Raises UnusableReference below 1 s, for silence and for values that are not finite; pipeline.stage.BadRecording for
    a file that cannot be decoded. Warns below 5 s, when quiet and when clipped.
    """
    name, samples, rate = _read(source)
    if not np.isfinite(samples).all():
        raise UnusableReference(f"{name}: has samples that are not finite numbers")
    seconds = len(samples) / rate
    if seconds < SHORTEST_SECONDS:
        raise UnusableReference(f"{name}: is {seconds:.2f} s long; a voice needs {SHORTEST_SECONDS:g} s at the least")
    if seconds < ADVISED_SECONDS:
        _warn(f"{name}: is {seconds:.1f} s long; {ADVISED_SECONDS:g} s or more carry a voice better")
    _check_level(name, samples)
    if denoise:
        samples, rate = _denoiser()(clips.resample(samples, rate, _DENOISER_RATE)), _DENOISER_RATE
    return clips.resample(samples, rate, sample_rate)


def _read(source: Source) -> tuple[str, NDArray[np.float32], int]:
    if not isinstance(source, tuple):
        samples, rate = clips.decode_bytes(Path(source).read_bytes())
        return os.fspath(source), samples, rate
    samples, rate = np.asarray(source[0], np.float32), int(source[1])
    if rate <= 0:
        raise UnusableReference(f"the reference: a sample rate of {rate} Hz cannot be")
    if samples.ndim == 2:
        samples = samples.mean(axis=1)
    if samples.ndim != 1:
        raise UnusableReference(f"the reference: samples must be (T,) or (T, channels), got {samples.shape}")
    return "the reference", samples, rate


def _check_level(name: str, samples: NDArray[np.float32]) -> None:
    level = 10 * np.log10(float(np.mean(np.square(samples, dtype=np.float64))) + 1e-20)
    if level < _SILENT_DBFS:
        raise UnusableReference(f"{name}: is silent ({level:.0f} dBFS); give a clip with speech in it")
    if level < _QUIET_DBFS:
        _warn(f"{name}: is quiet ({level:.0f} dBFS); the voice copies that")
    if (clipped := float(np.mean(np.abs(samples) >= 0.999))) > _CLIPPED_SHARE:
        _warn(f"{name}: {clipped:.1%} of its samples are clipped; the voice copies that")


def _denoiser() -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    from pipeline.audio.rnnoise import denoise

    return denoise


def _warn(message: str) -> None:
    warnings.warn(message, WeakReference, stacklevel=4)
