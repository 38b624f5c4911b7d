"""Speed of the stages that make a corpus: what each takes on studio audio, how much of it inside its models.

`python -m benchmarks.line --minutes 30 --json`; `--peer faster-whisper` and `--peer whisperx` measure recognisers alone
on the same files, with the same weights, in the same run. Recording in the studio is not part of the time.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.field import peers
from benchmarks.field.recordings import LabelledRecording
from benchmarks.timed_stage import TimedStage, written
from pipeline import batches, stage_list
from pipeline.lake.lake import Lake
from pipeline.run import Report, run_stage
from pipeline.settings import Settings, checkpoint_path, load_settings
from pipeline.stage_list import build_stage

DIALECTS = ["cmn", "yue", "cmn-sichuan", "cmn-tianjin"]
RECORDING_MINUTES = 3.0
CONDITIONS = "synthesized speech of the studio at 15 dB; embedded checkpoints, unless configured, learned from such"


def main(
    minutes: Annotated[float, typer.Option(help="minutes of studio audio")] = 30.0,
    workspace: Annotated[Path, typer.Option(help="folder that is emptied and filled")] = Path("workspace/line"),
    seed: Annotated[int, typer.Option(help="seed of the studio")] = 5,
    workers: Annotated[int, typer.Option(help="worker processes of a stage")] = 1,
    whisper: Annotated[str, typer.Option(help="recogniser of the pipeline and of the peers; empty: configured")] = "",
    peer: Annotated[list[str] | None, typer.Option(help=" or ".join(peers.PEERS))] = None,
    whisperx_python: Annotated[str, typer.Option(help="Python of the environment of WhisperX")] = sys.executable,
    as_json: Annotated[bool, typer.Option("--json", help="print the figures as JSON")] = False,
) -> None:
    """Record, run every stage once from nothing and once unchanged, then the peers; print the table."""
    # Here: a worker imports this module anew, and would pay for the studio.
    from studio.record import record

    settings = _configured(load_settings(workspace=workspace.resolve()), workers, whisper)
    shutil.rmtree(settings.root, ignore_errors=True)
    count = max(1, round(minutes / RECORDING_MINUTES))
    record(settings.root, DIALECTS, count, minutes / count, 3, 0.08, 15.0, seed)
    batches.plan(settings.landing, settings.root, settings, time.time(), close_all=True)
    load = os.getloadavg()[0]
    stages = [_stage(name, settings) for name in stage_list.names()]
    began = time.perf_counter()
    again = [run_stage(build_stage(name, settings), batch, settings) for name, batch in _work(settings)]
    audio = stages[0]["audio_s"]
    figures = {
        "conditions": CONDITIONS,
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()},
        "load_average": [load, os.getloadavg()[0]],
        "workers": workers,
        "audio_s": audio,
        "stages": stages,
        "line": _whole(stages, audio, workers),
        "unchanged_rerun_s": time.perf_counter() - began,
        "recomputed_in_rerun": sum(report.recomputed for report in again),
        "peers": [_peer(name, settings, whisperx_python) for name in peer or []],
    }
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
    else:
        _print(figures)


def _configured(settings: Settings, workers: int, whisper: str) -> Settings:
    engine = settings.engine.model_copy(update={"workers": workers, "workers_of": {}})
    # Only the embedded recogniser loses its place in stretches of 30 s; the peers' are as long.
    heard = {"checkpoint": whisper, "max_seconds": 30.0} if whisper else {}
    transcribe = settings.transcribe.model_copy(update=heard)
    return settings.model_copy(update={"engine": engine, "transcribe": transcribe})


def _work(settings: Settings) -> list[tuple[str, str]]:
    return [(stage, batch) for stage in stage_list.names() for batch in batches.names(settings.root)]


def _stage(name: str, settings: Settings) -> dict:
    """What a stage took over all batches. `process` is what its workers did after they were up."""
    folder = settings.root / "timed"
    folder.mkdir(exist_ok=True)
    worked = _processor()
    reports: list[Report] = [
        run_stage(TimedStage(build_stage(name, settings), folder), batch, settings)
        for batch in batches.names(settings.root)
    ]
    wall = sum(report.wall_seconds for report in reports)
    process, load = written(folder, name, "process"), written(folder, name, "load")
    seconds = sum(report.seconds_recomputed for report in reports)
    processor = _processor() - worked
    return {
        "stage": name,
        "audio_s": seconds,
        "quarantined": sum(report.quarantined for report in reports),
        "wall_s": wall,
        "processor_s": processor,
        "start_processor_s": load["processor"],
        "process_s": process["wall"],
        "process_processor_s": process["processor"],
        "inference_s": process["inference"],
        **_shares(wall, process["wall"], process["inference"], settings.engine.workers),
        "times_real_time": seconds / wall if wall else 0.0,
        "audio_s_per_processor_s": seconds / processor if processor else 0.0,
        "audio_s_per_processor_s_of_process": seconds / process["processor"] if process["processor"] else 0.0,
        "peak_memory_mb": max(report.peak_memory_mb for report in reports),
    }


def _whole(stages: list[dict], audio: float, workers: int) -> dict:
    wall, processor = sum(stage["wall_s"] for stage in stages), sum(stage["processor_s"] for stage in stages)
    process, inference = (sum(stage[key] for stage in stages) for key in ("process_s", "inference_s"))
    return {
        "wall_s": wall,
        "processor_s": processor,
        "process_processor_s": sum(stage["process_processor_s"] for stage in stages),
        "inference_s": inference,
        **_shares(wall, process, inference, workers),
        "times_real_time": audio / wall,
        "audio_hours_per_hour": audio / wall,
        "audio_s_per_processor_s": audio / processor,
    }


def _shares(wall: float, process: float, inference: float, workers: int) -> dict[str, float]:
    """Of the wall time of all workers: inside the stage's own work (not start, tables), and inside its models."""
    lanes = max(wall * workers, 1e-9)
    return {"share_inside_process": min(1.0, process / lanes), "share_inside_models": min(1.0, inference / lanes)}


def _processor() -> float:
    """Processor seconds of this process and of all its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peer(name: str, settings: Settings, python: str) -> dict:
    """What a recogniser alone takes for the files of the batches; opening and decoding them is not in it."""
    rows = [row for row in Lake(settings.lake).rows("recordings") if row["status"] == "ok"]
    chosen = [
        LabelledRecording(settings.landing / row["source"], row["source"], row["dialect"], row["dialect"], "", "")
        for row in rows
    ]
    used = settings.transcribe.used[0]
    heard = peers.hear(
        name,
        chosen,
        checkpoint_path(used.checkpoint),
        used.compute_type,
        settings.root / "peers.json",
        lambda done, of: None,
        python,
    ).values()
    audio, wall, processor = (
        sum(getattr(one, key) for one in heard) for key in ("seconds", "wall_seconds", "cpu_seconds")
    )
    return {
        "peer": name,
        "checkpoint": used.checkpoint,
        "audio_s": audio,
        "wall_s": wall,
        "processor_s": processor,
        "times_real_time": audio / wall,
        "audio_s_per_processor_s": audio / processor,
    }


def _print(figures: dict) -> None:
    console = Console()
    table = Table(
        "stage", "wall s", "processor s", "models s", "in stage %", "in models %", "x real time", "MB a worker"
    )
    for stage in [*figures["stages"], {"stage": "all", "peak_memory_mb": 0.0} | figures["line"]]:
        table.add_row(
            stage["stage"],
            f"{stage['wall_s']:.1f}",
            f"{stage['processor_s']:.1f}",
            f"{stage['inference_s']:.1f}",
            f"{100 * stage['share_inside_process']:.0f}",
            f"{100 * stage['share_inside_models']:.0f}",
            f"{stage['times_real_time']:.1f}",
            f"{stage['peak_memory_mb']:.0f}" if stage["peak_memory_mb"] else "",
        )
    for one in figures["peers"]:
        numbers = f"{one['wall_s']:.1f}", f"{one['processor_s']:.1f}", "", "", "", f"{one['times_real_time']:.1f}", ""
        table.add_row(f"{one['peer']} alone", *numbers)
    console.print(table)
    before, after = figures["load_average"]
    console.print(
        f"{figures['audio_s'] / 60:.1f} minutes of {figures['conditions']}. Workers: {figures['workers']}; cores: "
        f"{figures['machine']['cores']}; load average {before:.1f} before, {after:.1f} after. An unchanged re-run took "
        f"{figures['unchanged_rerun_s']:.2f} s and did {figures['recomputed_in_rerun']} recordings again.",
        highlight=False,
    )


if __name__ == "__main__":
    typer.run(main)
