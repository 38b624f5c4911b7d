"""What many short files cost beside few long ones: `python -m benchmarks.clips --json`.

`ratio`: processor time of all stages over the same speech in clips of 4 s, over that in long files. `overhead_ratio`:
processor time a recording of what runs the stages, at 10,000 recordings a batch over that at 100.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.clips_sound import CLIP_SECONDS, cut, land
from benchmarks.clips_stages import PassOn, manifest
from pipeline import batches, stage_list
from pipeline.run import run_stage
from pipeline.settings import Settings
from pipeline.stage import Stage

LONG_SECONDS = 1200.0
BATCHES = (100, 1_000, 10_000)


def main() -> None:
    options = _options()
    folder = Path(options.workspace or tempfile.mkdtemp(prefix="fangyan-clips-"))
    figures: dict[str, Any] = {"cores": os.cpu_count(), "load": os.getloadavg()[0]}
    try:
        if options.clips:
            figures |= ratio(folder / "ratio", options.clips, options.dialect, _say)
        figures |= overhead(folder / "overhead", [count for count in BATCHES if count <= options.recordings], _say)
    finally:
        if not options.workspace:
            shutil.rmtree(folder)
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name:24} {value}" for name, value in figures.items()))


def ratio(workspace: Path, clips: int, dialect: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds of each stage over so many clips, and over the same samples in files of up to 20 minutes."""
    sounds = cut(workspace / "studio", dialect, clips)
    say(f"{len(sounds)} clips of {CLIP_SECONDS:g} s cut out of speech of the studio")
    settings = {name: _settings(workspace / name) for name in ("clips", "long")}
    land(settings["clips"].landing, dialect, sounds, 1)
    land(settings["long"].landing, dialect, sounds, round(LONG_SECONDS / CLIP_SECONDS))
    for each in settings.values():
        batches.plan(each.landing, each.root, each, time.time(), close_all=True)
    seconds: dict[str, dict[str, Any]] = {}
    for stage in stage_list.names():
        seconds[stage] = {
            name: _timed(stage_list.build_stage(stage, each), "b00001", each) for name, each in settings.items()
        }
        say(f"{stage}: {json.dumps(seconds[stage])}")
    whole = {
        name: {kind: sum(one[name][kind] for one in seconds.values()) for kind in ("cpu", "wall")} for name in settings
    }
    return {
        "clips": len(sounds),
        "ratio": round(whole["clips"]["cpu"] / whole["long"]["cpu"], 3),
        "ratio_wall": round(whole["clips"]["wall"] / whole["long"]["wall"], 3),
        "stages": {
            stage: {
                "ratio": round(one["clips"]["cpu"] / one["long"]["cpu"], 3),
                "ratio_wall": round(one["clips"]["wall"] / one["long"]["wall"], 3),
            }
            | one
            for stage, one in seconds.items()
        },
    }


def overhead(workspace: Path, counts: list[int], say: Callable[[str], None]) -> dict[str, Any]:
    """Milliseconds a recording of all stages, for batches of so many recordings, where no stage does anything."""
    figures: dict[str, Any] = {}
    for count in counts:
        settings = _settings(workspace / str(count))
        manifest(settings, count)
        own: dict[str, float] = {}
        for entry in stage_list.STAGES:
            began = time.process_time()
            run_stage(PassOn(entry), "b00001", settings)
            own[entry.name] = round(1000 * (time.process_time() - began) / count, 3)
        figures[str(count)] = {"ms": round(sum(own.values()), 3), "stages": own}
        say(f"{count} recordings: {json.dumps(figures[str(count)])}")
    first, last = figures[str(counts[0])]["ms"], figures[str(counts[-1])]["ms"]
    return {"overhead_ms": figures, "overhead_ratio": round(last / first, 3)}


def _timed(stage: Stage, batch: str, settings: Settings) -> dict[str, float]:
    """Processor seconds of this process and its workers, wall seconds, and those of it in which models load."""
    before = os.times()
    report = run_stage(stage, batch, settings)
    after = os.times()
    used = sum(after[:4]) - sum(before[:4])
    return {"cpu": round(used, 2), "wall": round(report.wall_seconds, 2), "load": round(report.load_seconds, 2)}


def _settings(workspace: Path) -> Settings:
    shutil.rmtree(workspace, ignore_errors=True)
    hours = {"hours": 1000.0}
    return Settings.model_validate(
        {"workspace": workspace.absolute(), "engine": {"workers": 1}, "batches": hours}
        | {"ingest": {"require_consent": False}}
    )


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=400, help="clips of 4 s; 0: only the machinery")
    parser.add_argument("--dialect", default="cmn", help="of the studio's speech")
    parser.add_argument("--recordings", type=int, default=BATCHES[-1], help="most recordings in a batch of machinery")
    parser.add_argument("--workspace", default="", help="folder that is kept; left out: a temporary one")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
