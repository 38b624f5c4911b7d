"""Weak scaling on Ray: a stage on one node of one core, then twice the recordings on two, nodes being of this machine.

`python -m benchmarks.ray --json`. The stage is one of the pipeline's own (default: score), over studio clips whose
earlier stages are done before. Beside the time it says what of it the workers computed and how busy the machine was.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pipeline import batches, stage_list
from pipeline.engine import ray_cluster
from pipeline.lake.lake import Lake
from pipeline.run import run_stage
from pipeline.settings import Engine, Settings, load_settings
from pipeline.stage_list import build_stage
from studio.record import record

DIALECTS = ["cmn", "yue", "cmn-sichuan", "cmn-tianjin"]
_OFFERS: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 200 * 2**20, "memory": 4 * 10**9}


def main(
    stage: Annotated[str, typer.Option(help="the stage that is measured")] = "score",
    clips: Annotated[int, typer.Option(help="recordings a node")] = 24,
    seconds: Annotated[float, typer.Option(help="of each recording")] = 20.0,
    workspace: Annotated[Path, typer.Option(help="folder that is emptied and filled")] = Path("workspace/ray"),
    as_json: Annotated[bool, typer.Option("--json", help="print figures as JSON")] = False,
) -> None:
    """Record, bring two workspaces up to the stage, run it on one node and on two, compare."""
    made = [_prepared(workspace / f"{nodes}-nodes", stage, nodes * clips, seconds) for nodes in (1, 2)]
    rows = [_measured(settings, stage, nodes) for nodes, settings in enumerate(made, start=1)]
    figures = {
        "stage": stage,
        "cores": os.cpu_count(),
        "rows": rows,
        "efficiency": rows[0]["work_s"] / rows[1]["work_s"],
        "efficiency_of_workers": rows[1]["busy_share"] / rows[0]["busy_share"],
        "slower_computing": rows[1]["process_s"] / rows[1]["audio_s"] / (rows[0]["process_s"] / rows[0]["audio_s"]),
    }
    if as_json:
        print(json.dumps(figures, indent=2))
    else:
        _print(figures)


def _prepared(root: Path, stage: str, clips: int, seconds: float) -> Settings:
    """A workspace whose recordings have gone through all stages before this one, by the local engine."""
    shutil.rmtree(root, ignore_errors=True)
    settings = load_settings(workspace=root.resolve())
    record(settings.root, DIALECTS, clips, seconds / 60, 3, 0.08, 15.0, 5)
    batches.plan(settings.landing, settings.root, settings, time.time(), close_all=True)
    for name in stage_list.names()[: stage_list.names().index(stage)]:
        for batch in batches.names(settings.root):
            run_stage(build_stage(name, settings), batch, settings)
    return settings


def _measured(settings: Settings, stage: str, nodes: int) -> dict[str, Any]:
    """Starting nodes is not part of the time; of the workers, the loading of their models is told apart."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=_OFFERS | {"include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**_OFFERS)
        address = str(cluster.address)
        chosen = settings.model_copy(update={"engine": Engine(kind="ray", address=address)})
        (batch,) = batches.names(settings.root)
        moments: list[tuple[float, int]] = []
        with ray_cluster.connected(address):
            before, began = _processor_seconds(), time.monotonic()
            report = run_stage(
                build_stage(stage, chosen),
                batch,
                chosen,
                lambda done, total, _: moments.append((time.monotonic() - began, done)),
            )
            after = _processor_seconds()
    finally:
        cluster.shutdown()
    # Actors start and load at about the same time; from then on there is work for all of them.
    first, done = moments[0]
    loaded = first - done * report.process_seconds / report.recomputed
    work = moments[-1][0] - loaded
    return {
        "nodes": nodes,
        "recordings": report.recomputed,
        "rows": len(Lake(settings.lake).read(build_stage(stage, settings).writes, batch, ("recording_id",))),
        "audio_s": report.seconds_recomputed,
        "wall_s": report.wall_seconds,
        "work_s": work,
        "process_s": report.process_seconds,
        "busy_share": report.process_seconds / (nodes * work),
        "machine_busy_cores": (after[0] - before[0]) / (time.monotonic() - began),
        "load_average": os.getloadavg()[0],
    }


def _processor_seconds() -> tuple[float, float]:
    """Of all processes of the machine since it booted: at work, idle."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, idle, waiting = map(int, file.readline().split()[1:6])
    ticks = os.sysconf("SC_CLK_TCK")
    return (user + nice + system) / ticks, (idle + waiting) / ticks


def _print(figures: dict[str, Any]) -> None:
    table = Table("nodes", "recordings", "audio s", "wall s", "of it at work", "computing s", "busy %", "load")
    for row in figures["rows"]:
        cells = (row["nodes"], row["recordings"], *(f"{row[key]:.1f}" for key in ("audio_s", "wall_s", "work_s")))
        rest = (f"{row['process_s']:.1f}", f"{100 * row['busy_share']:.0f}", f"{row['load_average']:.1f}")
        table.add_row(*map(str, cells), *rest)
    Console().print(table)
    Console().print(
        f"{figures['stage']} of synthesized speech, embedded checkpoints; nodes of one core on one machine of "
        f"{figures['cores']}. Two nodes do twice the work of one in {1 / figures['efficiency']:.2f} times its time; "
        f"a second of audio takes {figures['slower_computing']:.2f} times as long inside the stage, as nodes share the "
        f"machine; workers compute {100 * figures['efficiency_of_workers']:.0f} % of the time that one alone does.",
        highlight=False,
    )


if __name__ == "__main__":
    typer.run(main)
