"""`python -m benchmarks.soak --hours 20 --minutes-of-soak 120 --json`: is anything lost when processes die at random?

The studio records many forms; one workspace is run in peace, in another the same files land bit by bit while line, UI,
daemon, desk and queries run and one process after another is killed. Goes on where it stopped: `soak.json` knows.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.soak import forms, processes
from benchmarks.soak.compare import compare
from benchmarks.soak.disturbance import Everything, Killer, Reader
from pipeline import stage_list
from pipeline.settings import load_settings

_TICK_SECONDS = 2.0
_SAMPLE_SECONDS = 10.0
_LANDED_BY = 0.6
"""Of the soak's time: by then all files have landed."""


def main(
    hours: Annotated[float, typer.Option(help="of audio")] = 20.0,
    minutes_of_soak: Annotated[float, typer.Option(help="how long processes are killed")] = 120.0,
    workspace: Annotated[Path, typer.Option(help="folder for everything; what is done there already stays")] = Path(
        "workspace/soak"
    ),
    seed: Annotated[int, typer.Option(help="of recordings and killing")] = 1,
    port: Annotated[int, typer.Option(help="of the UI; the report is on the next, the desk on the one after")] = 3700,
    most_hours: Annotated[float, typer.Option(help="each run to the end may take")] = 48.0,
    as_json: Annotated[bool, typer.Option("--json", help="print figures as JSON alone")] = False,
) -> None:
    """Record, run in peace, run disturbed, compare."""
    root = workspace.resolve()
    root.mkdir(parents=True, exist_ok=True)
    notes = _Notes(root / "soak.json")
    config = _configuration(root)
    processes.adopt_orphans()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    versions = {entry.name: entry.stage_class.version for entry in stage_list.STAGES}
    if notes.values.setdefault("versions", versions) != versions:
        raise typer.BadParameter(f"{root} was begun with other versions of the stages: empty it")
    if "forms" not in notes:
        notes.keep("forms", forms.write(root / "source", hours, seed))
    source = root / "source" / "landing"
    if "peace" not in notes:
        forms.land(source, root / "peace" / "landing", 1.0)
        notes.keep("peace", _to_the_end(root / "peace", config, most_hours))
    if "soak" not in notes:
        notes.keep("soak", _soak(root, config, source, 60 * minutes_of_soak, seed, port))
    forms.land(source, root / "soaked" / "landing", 1.0)
    if "after" not in notes:
        notes.keep("after", _to_the_end(root / "soaked", config, most_hours))
    settings = [load_settings(config, workspace=root / name) for name in ("soaked", "peace")]
    notes.keep("compared", compare(*settings))
    notes.keep("disk_mb", _disk(root / "soaked"))
    print(json.dumps(notes.values, indent=None if as_json else 2, ensure_ascii=False))
    if notes.values["compared"]["lost"] or notes.values["compared"]["doubled"] or notes.values["compared"]["leaks"]:
        raise typer.Exit(1)


class _Notes:
    """What is done, kept after each part."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def keep(self, name: str, value: Any) -> None:
        self.values[name] = value
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(self.values, indent=2, ensure_ascii=False), encoding="utf-8")
        partial.replace(self._path)


def _configuration(root: Path) -> Path:
    path = root / "soak.toml"
    path.write_text("[batches]\nhours = 0.5\nsettle_seconds = 5.0\n", encoding="utf-8")
    return path


def _to_the_end(workspace: Path, config: Path, most_hours: float) -> dict[str, Any]:
    """`fangyan run` until it says that all is done."""
    began = time.monotonic()
    command = [sys.executable, "-m", "cli.main", "run", "--workspace", str(workspace), "--config", str(config)]
    with (workspace.parent / f"{workspace.name}.log").open("ab") as log:
        code = subprocess.run(command, stdout=log, stderr=log, check=False, timeout=3600 * most_hours).returncode
    return {"seconds": round(time.monotonic() - began, 1), "exit_code": code}


def _soak(root: Path, config: Path, source: Path, seconds: float, seed: int, port: int) -> dict[str, Any]:
    workspace, logs = root / "soaked", root / "logs"
    logs.mkdir(exist_ok=True)
    (workspace / "landing").mkdir(parents=True, exist_ok=True)
    forms.land(source, workspace / "landing", 0.0)
    everything = Everything(workspace, config, port, logs)
    killer, reader = Killer(seed), Reader(everything)
    samples: list[tuple[float, str, float, int]] = []
    began, sampled, number = time.monotonic(), -_SAMPLE_SECONDS, 0
    try:
        while (past := time.monotonic() - began) < seconds:
            everything.keep_up()
            forms.land(source, workspace / "landing", min(1.0, past / (_LANDED_BY * seconds)))
            killer.turn()
            if past - sampled >= _SAMPLE_SECONDS:
                sampled = past
                samples += [(past, one.kind, one.memory_mb, one.number) for one in processes.below()]
                reader.turn(number)
                number += 1
            time.sleep(_TICK_SECONDS)
    finally:
        everything.end()
    return {
        "seconds": round(time.monotonic() - began, 1),
        "killed": dict(killer.killed),
        "not_there_to_kill": dict(killer.missed),
        "starts": dict(everything.starts),
        "answered": dict(reader.answered),
        "failed": dict(reader.failed),
        "memory": _memory(samples),
        "load_average": os.getloadavg()[0],
    }


def _memory(samples: list[tuple[float, str, float, int]]) -> dict[str, dict[str, float]]:
    """By kind: the largest, and by how many MB an hour the one that lived longest grew after its first third."""
    found = {}
    for kind in sorted({kind for _, kind, _, _ in samples}):
        lives: dict[int, list[tuple[float, float]]] = {}
        for past, one, memory, number in samples:
            if one == kind:
                lives.setdefault(number, []).append((past, memory))
        longest = max(lives.values(), key=lambda points: points[-1][0] - points[0][0])
        settled = longest[len(longest) // 3 :]
        times, sizes = np.array(settled).T
        growth = float(np.polyfit(times / 3600, sizes, 1)[0]) if len(settled) > 2 else float("nan")
        largest = max(memory for points in lives.values() for _, memory in points)
        span = longest[-1][0] - longest[0][0]
        found[kind] = {"largest_mb": round(largest, 1), "mb_an_hour": round(growth, 1), "over_s": round(span, 1)}
    return found


def _disk(workspace: Path) -> dict[str, float]:
    """MB in each folder of the workspace."""
    return {
        folder.name: round(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6, 1)
        for folder in sorted(workspace.iterdir())
        if folder.is_dir()
    }


if __name__ == "__main__":
    typer.run(main)
