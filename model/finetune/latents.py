"""Clips to latent patches, computed once: decoded, checked, trailing silence trimmed, encoded, kept by content hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from model.voxcpm2 import VoxCPM2
from pipeline.audio import clips
from pipeline.errors import BadRecording
from pipeline.lake.files import replace_file

SHORTEST_SECONDS = 0.5
# More silence than this at the end of clips teaches the model not to stop.
TRAILING_SECONDS = 0.3
_FRAME_SECONDS = 0.02
# Not the -40 dB of pipeline/corpus/training_set.py: see there.
_BELOW_LOUDEST_DB = 45.0
_SILENT_DBFS = -60.0
# Part of the key: what is done to a clip before it is encoded, and that zeros fill its last patch up.
_TREATMENT = b"trimmed 0.3 s, -45 dB, -60 dBFS, right-padded"


class BadClip(ValueError):
    """A clip that cannot be trained on; `reason` is a short code to count by."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Clip:
    """An encoded clip: its key in the cache, patches, seconds of the whole file and of what was encoded."""

    key: str
    patches: int
    file_seconds: float
    seconds: float


class LatentCache:
    """Folder of `<xx>/<key>.safetensors`, where the key hashes the file's bytes, the AudioVAE and the treatment."""

    def __init__(self, root: Path, model: VoxCPM2, max_seconds: float) -> None:
        self.root, self.max_seconds, self._model = root, max_seconds, model
        self._salt = _fingerprint(model)
        self._known: dict[Path, Clip] = {}

    def clip(self, path: Path) -> Clip:
        """The clip of an audio file, encoded now unless it is in the cache. Raises BadClip, OSError."""
        if path not in self._known:
            self._known[path] = self._load(path)
        self._check_length(self._known[path].seconds)
        return self._known[path]

    def read(self, clip: Clip) -> Tensor:
        """Patches (N, P, D) float32."""
        with safe_open(self._file(clip.key), "pt") as file:
            return file.get_tensor("latents")

    def _load(self, path: Path) -> Clip:
        content = path.read_bytes()
        key = hashlib.sha256(hashlib.sha256(content).digest() + self._salt).hexdigest()
        held = self._held(key)
        return held if held is not None else self._encode(content, key)

    def _held(self, key: str) -> Clip | None:
        try:
            with safe_open(self._file(key), "pt") as file:
                about = file.metadata()
                patches = file.get_slice("latents").get_shape()[0]
            return Clip(key, patches, float(about["file_seconds"]), float(about["seconds"]))
        except (FileNotFoundError, SafetensorError):
            return None

    def _encode(self, content: bytes, key: str) -> Clip:
        rate = self._model.config.audio_vae_config.sample_rate
        samples, file_seconds = decode(content, rate)
        # Before it is encoded: an hour-long file would not fit into memory.
        self._check_length(len(samples) / rate)
        latents = self._model.encode_samples(torch.from_numpy(samples), continued=False)
        clip = Clip(key, len(latents), file_seconds, len(samples) / rate)
        target = self._file(key)
        about = {"file_seconds": repr(clip.file_seconds), "seconds": repr(clip.seconds)}
        tensors = {"latents": latents.float().contiguous()}
        replace_file(target, lambda temporary: save_file(tensors, temporary, metadata=about))
        return clip

    def _check_length(self, seconds: float) -> None:
        if seconds > self.max_seconds:
            raise BadClip("too_long", f"lasts {seconds:.1f} s, {self.max_seconds:g} s are allowed; cut it")

    def _file(self, key: str) -> Path:
        return self.root / key[:2] / f"{key}.safetensors"


def decode(content: bytes, sample_rate: int) -> tuple[NDArray[np.float32], float]:
    """The bytes of an audio file to (trimmed float32 (T,) at `sample_rate` Hz, seconds of the file). Raises BadClip."""
    try:
        samples, rate = clips.decode_bytes(content)
    except BadRecording as error:
        raise BadClip("undecodable", str(error)) from None
    if rate < sample_rate:
        raise BadClip("wrong_rate", f"has {rate} Hz; the encoder needs {sample_rate} Hz of real bandwidth or more")
    if not np.isfinite(samples).all():
        raise BadClip("not_finite", "has samples that are not finite numbers")
    seconds = len(samples) / rate
    trimmed = trim(clips.resample(samples, rate, sample_rate), sample_rate)
    if not len(trimmed):
        raise BadClip("silent", "is silent")
    if len(trimmed) < SHORTEST_SECONDS * sample_rate:
        raise BadClip(
            "too_short", f"lasts {len(trimmed) / sample_rate:.2f} s without its silence, less than {SHORTEST_SECONDS} s"
        )
    return trimmed, seconds


def trim(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """(T,) without what is silent at the end beyond 0.3 s; empty if all is silent.

    Silent is a frame of 20 ms that is 45 dB below the loudest one, or below -60 dBFS.
    """
    length = round(_FRAME_SECONDS * sample_rate)
    frames = np.pad(samples, (0, -len(samples) % length)).reshape(-1, length)
    level = 10 * np.log10(np.mean(np.square(frames, dtype=np.float64), axis=1) + 1e-20)
    loud = np.flatnonzero(level > max(_SILENT_DBFS, level.max(initial=_SILENT_DBFS) - _BELOW_LOUDEST_DB))
    if not len(loud):
        return samples[:0]
    return samples[: (loud[-1] + 1) * length + round(TRAILING_SECONDS * sample_rate)]


def _fingerprint(model: VoxCPM2) -> bytes:
    """Of everything that turns samples into patches."""
    digest = hashlib.sha256(_TREATMENT)
    digest.update(f"{model.config.patch_size} {model.config.audio_vae_config.sample_rate}".encode())
    for name, each in sorted(model.audio_vae.state_dict().items()):
        if name.startswith("encoder."):
            digest.update(name.encode())
            digest.update(each.cpu().contiguous().numpy().tobytes())
    return digest.digest()
