"""The official voxcpm package behind a pipe: run by an interpreter that has it, it answers one JSON line with another.

Nothing of Fangyan is imported here, and of the package only its public class. First line in: {checkpoint, device,
threads}, then {text, steps, guidance, patches} each. Out: {version}, then {seconds, cpu_seconds, samples,
first_audio_s, peak_memory_mb} each.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time

import torch


def main() -> None:
    """Serve until the pipe closes. Whatever the package prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from voxcpm import VoxCPM  # pyright: ignore[reportMissingImports]

    opening = json.loads(sys.stdin.readline())
    torch.set_num_threads(opening["threads"])
    torch.manual_seed(0)
    voice = VoxCPM(opening["checkpoint"], zipenhancer_model_path=None, enable_denoiser=False, device=opening["device"])
    print(json.dumps({"version": version("voxcpm")}), file=answers, flush=True)
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
        reset_peak(opening["device"])
        start = perf_counter()
        first = next(voice.generate_streaming(**fields))
        first_audio = perf_counter() - start
        del first
        start, worked = perf_counter(), process_time()
        audio = voice.generate(**fields)
        answer = {
            "seconds": perf_counter() - start,
            "cpu_seconds": process_time() - worked,
            "samples": len(audio),
            "first_audio_s": first_audio,
            "peak_memory_mb": peak_memory_mb(opening["device"]),
        }
        print(json.dumps(answer), file=answers, flush=True)


def reset_peak(device: str) -> None:
    """Count the peak from here on. On a CPU it is what the process has in memory, as Linux counts it."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    elif (counters := Path("/proc/self/clear_refs")).exists():
        counters.write_text("5")


def peak_memory_mb(device: str) -> float:
    """Since `reset_peak`: of the process on a CPU, of PyTorch's allocations on a GPU."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 1e6
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1e3


if __name__ == "__main__":
    main()
