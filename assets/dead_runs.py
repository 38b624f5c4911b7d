"""Ends runs whose process is gone, so that nothing waits for them: their pool slots are freed, and one line says so.

The command line and the UI do it before they start, runs that wait for a pool do it while they wait, the sensor does it
for a daemon.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster._core.storage.dagster_run import RunRecord
from dagster._core.storage.tags import MAX_RETRIES_TAG

from assets import leases
from pipeline.lake.holder import this_process

HOLDER_TAG = "fangyan/process"
"""Who works on a run, for the UI and for machines that cannot see its lease."""
_UNSTARTED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]
_UNFINISHED = [*_UNSTARTED, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
# A process that starts imports for a while before it takes a lease; one that runs took it within milliseconds.
_START_SECONDS = 180.0
_GRACE_SECONDS = 60.0


def lease_folder(instance: dg.DagsterInstance) -> Path:
    """Where the runs of an instance keep their leases; every process of the instance has to see it."""
    return Path(instance.root_directory) / "leases"


def end_dead_runs(instance: dg.DagsterInstance, retry: bool = True) -> list[str]:
    """End the runs whose process is gone and free the pools of all that have ended; returns a line on each.

    Without `retry` Dagster's daemon does not start such a run again: the caller does its work.
    """
    records = instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED))
    said = [line for record in records if (line := _end_if_dead(instance, record, retry))]
    leases.clear(lease_folder(instance), {record.dagster_run.run_id for record in records})
    return [*said, *_free_slots_of_ended_runs(instance)]


def say(lines: list[str]) -> None:
    """Print lines on standard error, which Dagster keeps as the log of a run that it launched."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def describe(run: dg.DagsterRun) -> str:
    """A run as people find it again in the UI: short id, job and partition."""
    partition = run.tags.get("dagster/partition")
    return f"run {run.run_id[:8]} ({run.job_name}{f' {partition}' if partition else ''})"


def _end_if_dead(instance: dg.DagsterInstance, record: RunRecord, retry: bool) -> str | None:
    run, folder = record.dagster_run, lease_folder(instance)
    who = leases.holder(folder, run.run_id)
    if (folder / run.run_id).exists():
        with leases.claim_dead(folder, run.run_id) as mine:
            return _end(instance, run, f"{who or 'its process'} is gone", retry) if mine else None
    if _never_started(record):
        return _end(instance, run, "no process works on it", retry)
    return None


def _never_started(record: RunRecord) -> bool:
    """Whether a run that has no lease here is dead: nobody took it for long, or its file was removed."""
    run = record.dagster_run
    on_this_host = f" on {this_process().host} "
    if on_this_host not in run.tags.get(HOLDER_TAG, on_this_host):
        return False  # another machine took the lease, in a folder that this one does not see
    patience = _START_SECONDS if run.status in _UNSTARTED else _GRACE_SECONDS
    return time.time() - record.update_timestamp.timestamp() > patience


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun, why: str, retry: bool) -> str | None:
    current = instance.get_run_by_id(run.run_id)
    if current is None or current.is_finished:
        return None
    if not retry:
        instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0"})
    if current.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(current, f"{why}, which was told to stop")
        return f"{describe(run)} was told to stop and is dead: {why}; it is marked as canceled"
    instance.report_run_failed(current, f"{why}: it was killed, or its machine went down")
    return f"{describe(run)} is dead: {why}; it is marked as failed"


def _free_slots_of_ended_runs(instance: dg.DagsterInstance) -> Iterator[str]:
    """A run that was killed keeps its place in a pool, and every later run would wait for it without end."""
    storage = instance.event_log_storage
    for pool in storage.get_concurrency_keys():
        info = storage.get_concurrency_info(pool)
        for run_id in {*info.active_run_ids, *info.pending_run_ids, *info.assigned_run_ids}:
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                storage.free_concurrency_slots_for_run(run_id)
                yield f"pool {pool} is free of {describe(run) if run else f'run {run_id[:8]}'}, which has ended"


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Ends runs whose process is gone and frees their pools; it starts none."""
    lines = end_dead_runs(context.instance)
    for line in lines:
        context.log.warning(line)
    return dg.SkipReason("; ".join(lines) or "every run that is in progress has its process")
