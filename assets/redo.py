"""Doing stages again for one dialect: a job in whose launchpad dialect and stage are chosen, and what it starts.

The job finds the dialect's batches; the sensor starts a run of each, with the other dialects' work left as it is.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Any

import dagster as dg
from pydantic import Field

from assets.jobs import stages_job
from assets.partitions import DIALECTS
from assets.resources import Workspace
from pipeline import batches, stage_list
from pipeline.lake.lake import Lake

_Dialect = Enum("Dialect", {code: code for code in DIALECTS})
_Stage = Enum("Stage", {entry.asset: entry.asset for entry in stage_list.STAGES})


class Redo(dg.Config):
    """What to do again."""

    dialect: _Dialect = Field(description="whose recordings")  # type: ignore[valid-type]
    first: _Stage = Field(default=_Stage["hypotheses"], description="this asset and every stage after it")  # type: ignore[valid-type]


def batches_with(lake: Lake, dialect: str) -> list[str]:
    """Batches that hold a recording of the dialect, in order."""
    rows = lake.read("recordings", None, ("batch", "dialect")).group_by(["batch", "dialect"]).aggregate([]).to_pylist()
    found = {row["batch"] for row in rows if row["dialect"] == dialect}
    return sorted(filter(batches.is_name, found), key=lambda name: int(name[1:]))


@dg.op
def choose_batches(context: dg.OpExecutionContext, config: Redo, workspace: Workspace) -> None:
    """Finds the batches; the sensor redo_of_batches starts their runs within a minute."""
    found = batches_with(workspace.lake(), config.dialect.value)
    context.log.info("%d batches have %s: %s", len(found), config.dialect.value, ", ".join(found) or "none")
    context.add_output_metadata({"batches": found, "dialect": config.dialect.value, "first": config.first.value})


@dg.job(description="Does a stage and those after it again for one dialect, such as transcription for Wu only.")
def redo_for_dialect() -> None:
    choose_batches()


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[redo_for_dialect],
    request_job=stages_job,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def redo_of_batches(context: dg.RunStatusSensorContext, workspace: Workspace) -> Iterator[dg.RunRequest]:
    """Starts a run of each batch that the job redo_for_dialect has found."""
    given: Any = context.dagster_run.run_config
    chosen = given["ops"]["choose_batches"]["config"]
    dialect, first = chosen["dialect"], chosen.get("first", "hypotheses")
    assets = [entry.asset for entry in stage_list.STAGES]
    again = assets[assets.index(first) :]
    config = {"ops": {name: {"config": {"redo_dialect": dialect}} for name in again}}
    for batch in batches_with(workspace.lake(), dialect):
        yield dg.RunRequest(
            run_key=f"{context.dagster_run.run_id} {batch}",
            job_name=stages_job.name,
            partition_key=batch,
            run_config=config,
            asset_selection=[dg.AssetKey(name) for name in again],
            tags={"fangyan/redo": dialect},
        )
