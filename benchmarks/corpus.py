"""What the steps over the whole corpus cost: `python -m benchmarks.corpus --segments 1000000 --json`.

Makes a lake without sound and runs each step in a process of its own, whose time, processor time and largest resident
memory are taken. `batch` adds 10,000 segments; `repeat` runs both with nothing changed; `group_by` asks the catalog.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.corpus_lake import SEGMENTS_OF_BATCH, make_lake
from pipeline.lake.lake import Lake
from pipeline.settings import Settings

QUESTION = "SELECT dialect, tier, split, count(*) AS segments, sum(duration) / 3600 AS hours FROM {} GROUP BY ALL"
_ASKED = 5
STEPS = ("speakers", "corpus", "repeat", "batch", "group_by")


def main() -> None:
    options = _options()
    if options.step:
        print(json.dumps(_step(options.step, Path(options.workspace))))
        return
    folder = Path(options.workspace or tempfile.mkdtemp(prefix="fangyan-corpus-"))
    try:
        figures = measure(folder, options.segments, lambda words: print(words, file=sys.stderr, flush=True))
    finally:
        if not options.workspace:
            shutil.rmtree(folder)
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name:24} {value}" for name, value in figures.items()))


def measure(workspace: Path, segments: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Figures of every step over a lake of so many segments: seconds, processor seconds, peak memory in MB."""
    settings = settings_of(workspace)
    lake = Lake(settings.lake)
    make_lake(lake, settings.landing, segments)
    say(f"{segments} segments written")
    figures: dict[str, Any] = {
        "segments": segments,
        "load": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "peak_mb": 0.0,
    }
    for step in STEPS:
        if step == "batch":
            make_lake(lake, settings.landing, SEGMENTS_OF_BATCH, len(lake.partitions("segments")))
        found = _in_a_process(step, workspace)
        figures["peak_mb"] = max(figures["peak_mb"], found[f"{step}_mb"])
        figures |= found
        say(json.dumps(found))
    return figures


def settings_of(workspace: Path) -> Settings:
    return Settings(workspace=workspace.absolute())


def _in_a_process(step: str, workspace: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.corpus", "--step", step, "--workspace", str(workspace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"step {step} ended with {process.returncode}")
    cpu = round(usage.ru_utime + usage.ru_stime, 2)
    return json.loads(said.splitlines()[-1]) | {f"{step}_cpu_s": cpu, f"{step}_mb": round(usage.ru_maxrss / 1024)}


def _step(step: str, workspace: Path) -> dict[str, Any]:
    from pipeline.corpus.build import build_corpus
    from pipeline.corpus.build_speakers import build_speakers

    settings = settings_of(workspace)
    lake = Lake(settings.lake)
    if step == "group_by":
        return _group_by(lake, settings)
    started, found = time.perf_counter(), {}
    if step != "corpus":
        found |= build_speakers(lake, settings)
    if step != "speakers":
        found |= build_corpus(lake, settings)
    seconds = round(time.perf_counter() - started, 3)
    kept = ("speakers", "kept", "duplicates_exact", "duplicates_near", "candidates")
    return {f"{step}_s": seconds} | {f"{step}_{name}": found[name] for name in kept if name in found}


def _group_by(lake: Lake, settings: Settings) -> dict[str, Any]:
    """Median seconds of a group-by over all segments, asked of the catalog."""
    import duckdb

    from pipeline.lake.catalog import build_catalog

    build_catalog(lake, settings.catalog)
    found = {}
    with duckdb.connect(str(settings.catalog), read_only=True) as connection:
        for name, sql in (("group_by_s", QUESTION.format("segments")), ("hours_s", "FROM hours_by_split")):
            seconds = []
            for _ in range(_ASKED):
                started = time.perf_counter()
                connection.execute(sql).fetchall()
                seconds.append(time.perf_counter() - started)
            found[name] = round(statistics.median(seconds), 3)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segments", type=int, default=50_000)
    parser.add_argument("--workspace", help="where the lake is made and stays; left out: a temporary folder")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
