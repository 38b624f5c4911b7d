"""The official voxcpm package behind a pipe: run by an interpreter that has it, it answers one JSON line with another.

Nothing of Fangyan is imported here. First line in: {"checkpoint", "device", "threads"}; then {"text", "steps",
"guidance", "patches"} each; out: {"seconds", "samples", "first_audio_s", "peak_memory_mb"}.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import perf_counter

import torch


def main() -> None:
    """Serve until the pipe closes. Whatever the package prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from voxcpm import VoxCPM  # pyright: ignore[reportMissingImports]

    opening = json.loads(sys.stdin.readline())
    torch.set_num_threads(opening["threads"])
    torch.manual_seed(0)
    voice = VoxCPM(
        opening["checkpoint"], zipenhancer_model_path=None, enable_denoiser=False, device=opening["device"]
    )
    print(json.dumps({"ready": True, "optimized": True}), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        fields = {
            "text": asked["text"],
            "inference_timesteps": asked["steps"],
            "cfg_value": asked["guidance"],
            "min_len": asked["patches"],
            "max_len": asked["patches"],
            "retry_badcase": False,
        }
        _reset_peak(opening["device"])
        start = perf_counter()
        first = next(voice.generate_streaming(**fields))
        first_audio = perf_counter() - start
        del first
        start = perf_counter()
        audio = voice.generate(**fields)
        answer = {
            "seconds": perf_counter() - start,
            "samples": len(audio),
            "first_audio_s": first_audio,
            "peak_memory_mb": _peak(opening["device"]),
        }
        print(json.dumps(answer), file=answers, flush=True)


def _reset_peak(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def _peak(device: str) -> float:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 1e6
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1e3


if __name__ == "__main__":
    main()
