"""Speed of the stages that make a corpus: seconds, times real time and peak memory of each on studio audio, in one run.

`python -m benchmarks.pipeline --minutes 30 --out pipeline.json`. Recording in the studio is not part of the time.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline import batches, stage_list
from pipeline.run import Report, run_stage
from pipeline.settings import Settings, load_settings
from pipeline.stage_list import build_stage
from studio.record import record

DIALECTS = ["cmn", "yue", "cmn-sichuan", "cmn-tianjin"]
RECORDING_MINUTES = 3.0


def main(
    minutes: Annotated[float, typer.Option(help="minutes of studio audio")] = 30.0,
    workspace: Annotated[Path, typer.Option(help="folder that is emptied and filled")] = Path("workspace/benchmark"),
    seed: Annotated[int, typer.Option(help="seed of the studio")] = 5,
    out: Annotated[Path | None, typer.Option(help="JSON file for the figures")] = None,
) -> None:
    """Record, run every stage once from nothing and once unchanged, print the table."""
    settings = load_settings(workspace=workspace.resolve())
    shutil.rmtree(settings.root, ignore_errors=True)
    count = max(1, round(minutes / RECORDING_MINUTES))
    record(settings.root, DIALECTS, count, minutes / count, 3, 0.08, 15.0, seed)
    batches.plan(settings.landing, settings.root, settings, time.time(), close_all=True)
    first, second = _run(settings), _run(settings)
    figures = _figures(first, second, settings)
    if out is not None:
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    _print(figures)


def _run(settings: Settings) -> list[list[Report]]:
    names = batches.names(settings.root)
    return [[run_stage(build_stage(stage, settings), name, settings) for name in names] for stage in stage_list.names()]


def _figures(first: list[list[Report]], second: list[list[Report]], settings: Settings) -> dict:
    stages = []
    for reports in first:
        wall, process = (
            sum(report.wall_seconds for report in reports),
            sum(report.process_seconds for report in reports),
        )
        seconds = sum(report.seconds_recomputed for report in reports)
        # With w workers, process seconds spread over w lanes are the wall time that inference itself explains.
        inside = min(wall, process / min(settings.workers, max(1, sum(report.recomputed for report in reports))))
        stages.append(
            {
                "stage": reports[0].stage,
                "audio_seconds": seconds,
                "wall_seconds": wall,
                "times_real_time": seconds / wall if wall else 0.0,
                "load_seconds_per_worker": sum(report.load_seconds for report in reports) / settings.workers,
                "share_outside_process": 1 - inside / wall if wall else 0.0,
                "peak_memory_mb": max(report.peak_memory_mb for report in reports),
            }
        )
    wall = sum(stage["wall_seconds"] for stage in stages)
    again = sum(report.wall_seconds for reports in second for report in reports)
    outside = sum(stage["share_outside_process"] * stage["wall_seconds"] for stage in stages)
    audio = stages[0]["audio_seconds"]
    return {
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()},
        "settings": _chosen(settings),
        "workers": settings.workers,
        "audio_seconds": audio,
        "stages": stages,
        "wall_seconds": wall,
        "times_real_time": audio / wall,
        "share_outside_process": outside / wall,
        "unchanged_rerun_seconds": again,
        "unchanged_rerun_share": again / wall,
        "recomputed_in_rerun": sum(report.recomputed for reports in second for report in reports),
    }


def _chosen(settings: Settings) -> dict:
    """The settings that shape speed, as plain values."""
    chosen = ("engine", "diarize", "denoise", "transcribe", "align", "score")
    return {name: getattr(settings, name).model_dump() for name in chosen}


def _print(figures: dict) -> None:
    console = Console()
    table = Table("stage", "wall s", "x real time", "load s a worker", "outside model %", "peak MB a worker")
    for stage in figures["stages"]:
        table.add_row(
            stage["stage"],
            f"{stage['wall_seconds']:.1f}",
            f"{stage['times_real_time']:.1f}",
            f"{stage['load_seconds_per_worker']:.1f}",
            f"{100 * stage['share_outside_process']:.0f}",
            f"{stage['peak_memory_mb']:.0f}",
        )
    table.add_row(
        "pipeline",
        f"{figures['wall_seconds']:.1f}",
        f"{figures['times_real_time']:.1f}",
        "",
        f"{100 * figures['share_outside_process']:.0f}",
        "",
    )
    console.print(table)
    console.print(
        f"{figures['audio_seconds'] / 60:.1f} minutes of synthesized speech, {figures['workers']} workers on "
        f"{figures['machine']['cores']} cores, embedded checkpoints unless configured. An unchanged re-run "
        f"took {figures['unchanged_rerun_seconds']:.2f} s ({100 * figures['unchanged_rerun_share']:.2f} %) and did "
        f"{figures['recomputed_in_rerun']} recordings again.",
        highlight=False,
    )


if __name__ == "__main__":
    typer.run(main)
