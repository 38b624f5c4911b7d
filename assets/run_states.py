"""Which runs are going on, and which failed last: for people at the command line."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

_ACTIVE = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


@dataclass(frozen=True)
class RunState:
    """A run of a job on a partition ("" if it has none); `began` in epoch seconds."""

    run_id: str
    job: str
    partition: str
    status: str
    began: float


def active_runs(instance: dg.DagsterInstance, limit: int = 20) -> list[RunState]:
    """Runs that wait or work, latest first."""
    return _states(instance, dg.RunsFilter(statuses=_ACTIVE), limit)


def failed_runs(instance: dg.DagsterInstance, limit: int = 3) -> list[RunState]:
    """The runs that failed last, latest first."""
    return _states(instance, dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit)


def _states(instance: dg.DagsterInstance, wanted: dg.RunsFilter, limit: int) -> list[RunState]:
    return [
        RunState(
            run_id=record.dagster_run.run_id,
            job=record.dagster_run.job_name,
            partition=record.dagster_run.tags.get("dagster/partition", ""),
            status=record.dagster_run.status.value.lower(),
            began=record.create_timestamp.timestamp(),
        )
        for record in instance.get_run_records(wanted, limit=limit)
    ]
