"""What one worker of a stage with a neural network needs: a GPU where there is one, and how much of its memory."""

from __future__ import annotations

from pathlib import Path

from pipeline.engine.machine import cards
from pipeline.settings import checkpoint_path
from pipeline.stage import Resources

_GPU_MEMORY_GB = {
    # faster-whisper's own table gives 4.5 GB for large-v2 in float16 and 6.1 GB with batches of 8; the smaller ones go
    # by the size of their weights.
    "large-v3": 6.0,
    "large-v2": 6.0,
    "turbo": 4.0,
    "distil-large-v3": 4.0,
    "medium": 4.0,
    "small": 2.0,
    "base": 1.5,
    "tiny": 1.5,
    # 315 million parameters in float32, and the emissions of one stretch.
    "MMS_FA": 3.0,
    "pyannote/speaker-diarization-community-1": 3.0,
}
_UNKNOWN_GB = 6.0
_BESIDE_WEIGHTS_GB = 1.5
"""The CUDA context and what is computed, beside the weights of a checkpoint in a folder."""


def resources(checkpoint: str, device: str, memory_gb: float) -> Resources:
    """One core, `memory_gb` of main memory, and a GPU if `device` names one or is `auto` on a machine that has one."""
    wanted = device.startswith("cuda") or (device == "auto" and bool(cards()))
    gpu_memory = gpu_memory_gb(checkpoint) if wanted else 0.0
    return Resources(1.0, float(wanted), memory_gb, gpu_memory, device)


def gpu_memory_gb(checkpoint: str) -> float:
    """GPU memory that one worker needs with this checkpoint; for a folder from the size of its files."""
    folder = Path(checkpoint_path(checkpoint))
    if folder.is_dir():
        return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e9 + _BESIDE_WEIGHTS_GB
    return _GPU_MEMORY_GB.get(checkpoint, _UNKNOWN_GB)
