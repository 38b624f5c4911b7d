"""Speed of speaking: patches and audio per second, latency and memory, beside the official package if it is installed.

`python -m benchmarks.speak --config 60m --against voxcpm --against-python VENV/bin/python`. Both systems speak the same
text with the same weights for the same number of patches, taking turns; medians are printed.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.official_voxcpm import peak_memory_mb, reset_peak
from benchmarks.random_voice import SENTENCE, configuration, random_voice
from model.voxcpm2 import Request, VoxCPM2, load
from model.voxcpm2.compiled import compile_solver

GUIDANCE = 2.0
_MEASURED = ("seconds", "cpu_seconds", "first_audio_s", "peak_memory_mb")


@dataclass(frozen=True)
class Speed:
    """Medians of one case. seconds: wall time of the whole batch; first_audio_s: until each row has its first piece.

    cpu_seconds: processor time of all threads, which other programs on the machine disturb less than wall time.
    """

    system: str
    batch: int
    steps: int
    patches: int
    audio_seconds: float
    seconds: float
    cpu_seconds: float
    first_audio_s: float
    peak_memory_mb: float

    @property
    def cpu_per_audio(self) -> float:
        """Processor seconds per second of audio."""
        return self.cpu_seconds / self.audio_seconds

    @property
    def patches_per_second(self) -> float:
        return self.batch * self.patches / self.seconds

    @property
    def real_time_factor(self) -> float:
        """Wall seconds per second of audio, as one stream of the batch has it."""
        return self.seconds / self.audio_seconds * self.batch

    @property
    def audio_per_second(self) -> float:
        """Seconds of audio that all streams together get per second."""
        return self.audio_seconds / self.seconds


class Official:
    """The official package in its own process; it speaks one utterance at a time."""

    def __init__(self, python: Path, checkpoint: Path, device: str, threads: int) -> None:
        driver = Path(__file__).with_name("official_voxcpm.py")
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [str(python), str(driver)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads)},
        )
        opening = {"checkpoint": str(checkpoint), "device": device, "threads": threads}
        self.version = self._ask(opening)["version"]

    def speak(self, steps: int, patches: int) -> dict[str, Any]:
        return self._ask({"text": SENTENCE, "steps": steps, "guidance": GUIDANCE, "patches": patches})

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            self._log.seek(0)
            raise RuntimeError(f"the official package gave up:\n{self._log.read()[-2000:]}")
        return json.loads(line)


def main(
    checkpoint: Annotated[Path | None, typer.Option(help="a VoxCPM2 directory")] = None,
    config: Annotated[str, typer.Option(help="random weights: true-size, 60m, or a config.json")] = "60m",
    batch: Annotated[str, typer.Option(help="utterances at once")] = "1,8",
    steps: Annotated[str, typer.Option(help="solver steps")] = "10",
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16; empty: float32 on a CPU, else bfloat16")] = "",
    threads: Annotated[int, typer.Option(min=1, help="of both systems, on a CPU")] = os.cpu_count() or 1,
    patches: Annotated[int, typer.Option(min=2, help="length of each utterance, 160 ms a patch")] = 40,
    rounds: Annotated[int, typer.Option(min=1, help="turns that each system gets")] = 3,
    against: Annotated[str, typer.Option(help="voxcpm: measure the official package beside")] = "",
    against_python: Annotated[Path, typer.Option(help="interpreter that has it")] = Path(sys.executable),
    against_dtype: Annotated[str, typer.Option(help="its dtype; empty: as ours")] = "",
    compiled: Annotated[bool, typer.Option(help="our solver as one CUDA graph")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="file for the figures")] = None,
) -> None:
    """Measure, print the table, write the figures."""
    if against not in ("", "voxcpm"):
        raise typer.BadParameter("only voxcpm can be measured beside", param_hint="--against")
    if compiled and device == "cpu":
        raise typer.BadParameter("is for GPUs: on a CPU the network's twin is faster", param_hint="--compiled")
    torch.set_num_threads(threads)
    kind = getattr(torch, dtype or ("float32" if device == "cpu" else "bfloat16"))
    model = _voice(checkpoint, config, torch.device(device), kind, compiled)
    theirs = against_dtype or str(kind).removeprefix("torch.")
    with _saved(model, theirs) if against else nullcontext() as folder:
        official = Official(against_python, folder, device, threads) if folder else None
        cases = [(int(rows), int(count)) for count in steps.split(",") for rows in batch.split(",")]
        speeds = [
            speed
            for rows, count in track(cases, "measuring", console=Console(stderr=True))
            for speed in _case(model, official, rows, count, patches, rounds)
        ]
        if official is not None:
            official.close()
    conditions = {
        "processor": _processor(device),
        "cores": os.cpu_count(),
        "threads": threads,
        "device": device,
        "dtype": str(kind).removeprefix("torch."),
        "torch": torch.__version__,
        "model": str(checkpoint or config),
        "parameters_m": round(sum(each.numel() for each in model.network.parameters()) / 1e6, 1),
        "random_weights": checkpoint is None,
        "guidance": GUIDANCE,
        "patches": patches,
        "rounds": rounds,
        "load_average": os.getloadavg()[0],
        "compiled": compiled,
        "voxcpm": official and official.version,
        "voxcpm_dtype": official and theirs,
    }
    if json_file is not None:
        rows = [
            {
                **asdict(each),
                "patches_per_second": each.patches_per_second,
                "real_time_factor": each.real_time_factor,
                "cpu_per_audio": each.cpu_per_audio,
                "audio_per_second": each.audio_per_second,
            }
            for each in speeds
        ]
        json_file.write_text(json.dumps({"conditions": conditions, "speeds": rows}, indent=2) + "\n", encoding="utf-8")
    _print(speeds, conditions)


def _voice(checkpoint: Path | None, config: str, device: torch.device, dtype: torch.dtype, compiled: bool) -> VoxCPM2:
    if checkpoint is not None:
        return load(checkpoint, device=device, dtype=dtype, compiled=compiled)
    model = random_voice(configuration(config), device, dtype)
    if compiled:
        compile_solver(model.network.feat_decoder)
    return model


@contextmanager
def _saved(model: VoxCPM2, dtype: str) -> Iterator[Path]:
    """A folder that holds `model`, to be opened in `dtype` by whoever goes by its config.json."""
    with tempfile.TemporaryDirectory(prefix="fangyan-voice-") as name:
        folder = Path(name)
        model.save(folder)
        config = json.loads((folder / "config.json").read_text())
        config["dtype"] = dtype
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        yield folder


def _case(
    model: VoxCPM2, official: Official | None, rows: int, steps: int, patches: int, rounds: int
) -> Iterator[Speed]:
    """One batch size and number of steps: both systems once to warm up, then in turns."""
    ours: list[Speed] = []
    theirs: list[Speed] = []
    for _ in range(rounds + 1):
        ours.append(_ours(model, rows, steps, patches))
        if official is not None:
            said = official.speak(steps, patches)
            audio = said["samples"] / model.sample_rate
            if round(audio / model.config.patch_seconds) != patches:
                raise RuntimeError(f"the official package made {audio:.2f} s, not {patches} patches")
            theirs.append(Speed("voxcpm", 1, steps, patches, audio, *(said[name] for name in _MEASURED)))
    yield _median(ours[1:])
    if theirs:
        yield _median(theirs[1:])


def _ours(model: VoxCPM2, rows: int, steps: int, patches: int) -> Speed:
    device = str(model.network.device)

    def requests(length: int) -> list[Request]:
        return [
            Request(
                SENTENCE,
                seed=seed,
                steps=steps,
                guidance=GUIDANCE,
                min_patches=length,
                max_patches=length,
                attempts=1,
            )
            for seed in range(rows)
        ]

    reset_peak(device)
    first, _, _ = _timed(
        lambda: next(model.stream(requests(patches)[0])) if rows == 1 else model.generate(requests(1), rows), device
    )
    seconds, worked, results = _timed(lambda: model.generate(requests(patches), rows), device)
    audio = sum(result.seconds for result in results)
    return Speed("fangyan", rows, steps, patches, audio, seconds, worked, first, peak_memory_mb(device))


def _timed(work: Callable[[], Any], device: str) -> tuple[float, float, Any]:
    """Wall seconds, processor seconds, and what `work` returns."""
    start, worked = perf_counter(), process_time()
    result = work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return perf_counter() - start, process_time() - worked, result


def _median(speeds: list[Speed]) -> Speed:
    medians = {name: statistics.median(getattr(each, name) for each in speeds) for name in _MEASURED}
    return Speed(**{**asdict(speeds[0]), **medians})


def _processor(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def _print(speeds: list[Speed], conditions: dict[str, Any]) -> None:
    table = Table(
        "",
        "batch",
        "steps",
        "patches/s",
        "RTF a stream",
        "audio s/s",
        "CPU s a s",
        "first audio s",
        "peak MB",
        "ratio",
        "CPU ratio",
    )
    latest: Speed | None = None
    for each in speeds:
        ratio = work = ""
        if each.system == "fangyan":
            latest = each
        elif latest is not None:
            ratio = f"{latest.audio_per_second / each.audio_per_second:.2f} x"
            work = f"{each.cpu_per_audio / latest.cpu_per_audio:.2f} x"
        table.add_row(
            each.system,
            str(each.batch),
            str(each.steps),
            f"{each.patches_per_second:.1f}",
            f"{each.real_time_factor:.3f}",
            f"{each.audio_per_second:.2f}",
            f"{each.cpu_per_audio:.3f}",
            f"{each.first_audio_s:.3f}",
            f"{each.peak_memory_mb:.0f}",
            ratio,
            work,
        )
    console = Console()
    console.print(table)
    beside = (
        f" The ratio is of audio per second: voxcpm {conditions['voxcpm']} ({conditions['voxcpm_dtype']}) "
        "speaks one utterance at a time, so a batch is compared with its single stream."
        if conditions["voxcpm"]
        else ""
    )
    console.print(
        f"{conditions['processor']}, {conditions['cores']} cores, {conditions['threads']} threads, "
        f"{conditions['dtype']}, torch {conditions['torch']}, {conditions['model']} "
        f"({conditions['parameters_m']} M parameters{', random weights' if conditions['random_weights'] else ''}), "
        f"guidance {GUIDANCE:g}, {conditions['patches']} patches an utterance, medians of {conditions['rounds']} "
        f"turns, load average {conditions['load_average']:.1f}.{beside}",
        highlight=False,
    )


if __name__ == "__main__":
    typer.run(main)
