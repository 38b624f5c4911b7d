"""Speaking beside busy loops: processor time and speed, with threads that spin for each other and with ours that wait.

`python -m benchmarks.busy --loops 6`. Bars: processor time no more than 1.3 times that of a quiet machine, and no more
than twice the seconds that its share of the cores explains. Other work on the machine spoils the figures: it is shown.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline.engine.machine import usable_cores
from pipeline.threads import threads

PROCESSOR_BAR, SPEED_BAR = 1.3, 2.0
_TEXT = "今天天气很好，我们一起去公园散步，晚上回来吃饭。"
_PATCHES = 40
_LOOP = "while True: pass"
# What GNU OpenMP does where nothing is set: threads turn 300,000 times before they sleep.
_SPINNING = {"GOMP_SPINCOUNT": "300000", "OMP_WAIT_POLICY": "ACTIVE"}


@dataclass(frozen=True)
class Spoken:
    """Wall and processor seconds of one utterance, and its length; `load` is the machine's when it began."""

    seconds: float
    processor_seconds: float
    audio_seconds: float
    load: float

    @property
    def real_time_factor(self) -> float:
        return self.seconds / self.audio_seconds


def main(
    loops: Annotated[int, typer.Option(min=1, help="busy loops beside")] = 6,
    rounds: Annotated[int, typer.Option(min=1, help="turns that each setting gets; the best counts")] = 3,
) -> None:
    """Speak alone and beside busy loops with both settings, and print what that costs."""
    cores = usable_cores()
    spinning = _SPINNING | {"OMP_NUM_THREADS": str(cores)}
    waiting = {"OMP_NUM_THREADS": str(threads(cores, os.cpu_count() or 1, float(loops)) or cores)}
    alone = {"spinning": _best(spinning, rounds), "waiting": _best(waiting, rounds)}
    with _busy(loops):
        beside = {"spinning": _best(spinning, rounds), "waiting": _best(waiting, rounds)}
    table = Table("setting", "beside", "RTF", "processor s", "processor ratio", "RTF against fair share", "load before")
    quiet = min(alone.values(), key=lambda one: one.processor_seconds)
    share = min(1.0, cores / (loops + 1))
    for name in alone:
        for other, one in (("nothing", alone[name]), (f"{loops} loops", beside[name])):
            fair = alone["waiting"].real_time_factor / (1.0 if other == "nothing" else share)
            table.add_row(
                f"{name}, {(spinning if name == 'spinning' else waiting)['OMP_NUM_THREADS']} threads",
                other,
                f"{one.real_time_factor:.3f}",
                f"{one.processor_seconds:.2f}",
                f"{one.processor_seconds / quiet.processor_seconds:.2f} (bar {PROCESSOR_BAR})",
                f"{one.real_time_factor / fair:.2f} (bar {SPEED_BAR})",
                f"{one.load:.1f}",
            )
    Console().print(table)


def speak() -> None:
    """In a process of its own: one utterance of the embedded voice after a short one; its figures as JSON."""
    from model.voxcpm2 import Request, load
    from pipeline.project import PROJECT

    model = load(PROJECT / "checkpoints" / "voxcpm2-micro", device="cpu")
    model.generate([Request(_TEXT, min_patches=2, max_patches=2, attempts=1)], 1)
    began, worked = time.perf_counter(), time.process_time()
    (result,) = model.generate([Request(_TEXT, min_patches=_PATCHES, max_patches=_PATCHES, attempts=1)], 1)
    print(json.dumps([time.perf_counter() - began, time.process_time() - worked, result.seconds]))


def _best(environment: dict[str, str], rounds: int) -> Spoken:
    return min((_spoken(environment) for _ in range(rounds)), key=lambda one: one.seconds)


def _spoken(environment: dict[str, str]) -> Spoken:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    load = os.getloadavg()[0]
    code = "from benchmarks.busy import speak; speak()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=inherited | environment, capture_output=True, text=True, check=True
    )
    return Spoken(*json.loads(done.stdout.splitlines()[-1]), load=load)


@contextmanager
def _busy(count: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", _LOOP]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.wait()


if __name__ == "__main__":
    typer.run(main)
