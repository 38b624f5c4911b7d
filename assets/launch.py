"""Runs jobs in this process on the workspace's Dagster instance, so that the UI lists them. The CLI's way in."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from assets.definitions import build_definitions
from assets.partitions import batch_partitions
from assets.resources import Workspace
from pipeline import batches
from pipeline.settings import PROJECT, Settings
from pipeline.stage_list import STAGES
from pipeline.takedown import takedown

_PID_TAG = "fangyan/pid"
_QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


class RunFailed(Exception):
    """A run did not succeed; the message says which and what to read."""


def dagster_home(settings: Settings) -> Path:
    """The instance's folder: $DAGSTER_HOME, else `dagster` in the workspace with a copy of the workspace's dagster.yaml
    (where it has none, of the one that comes with Fangyan)."""
    if os.environ.get("DAGSTER_HOME"):
        return Path(os.environ["DAGSTER_HOME"])
    home = settings.root / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    own = settings.root / "dagster.yaml"
    shutil.copyfile(own if own.is_file() else PROJECT / "dagster.yaml", home / "dagster.yaml")
    return home


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The workspace's instance; runs that a killed process left behind are marked as failed."""
    with dg.DagsterInstance.from_config(str(dagster_home(settings))) as instance:
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
            pid = run.tags.get(_PID_TAG)
            if pid is not None and not _alive(int(pid)):
                instance.report_run_failed(run, "its process was killed")
        _free_slots_of_ended_runs(instance)
        yield instance


def run_pending(settings: Settings, config: Path | None, retry_quarantined: bool = False) -> list[str]:
    """Close batches over everything that has landed, bring each batch and then the corpus up to date.

    Takedowns that were interrupted are finished first. Returns the names of the batches. A run whose provenance stands
    costs next to nothing. Raises RunFailed.
    """
    _finish_takedowns(settings)
    batches.plan(settings.landing, settings.root, settings, time.time(), close_all=True)
    names = batches.names(settings.root)
    workspace = Workspace(config=str(config or ""), root=str(settings.root))
    with open_instance(settings) as instance:
        instance.add_dynamic_partitions(batch_partitions.name or "batch", names)
        definitions = build_definitions(workspace)
        retry = (
            {stage.asset: {"config": {"retry_quarantined": True}} for stage in STAGES} if retry_quarantined else None
        )
        for name in names:
            _run(definitions, instance, "line_job", name, retry)
        if names:
            _run(definitions, instance, "corpus_job")
    return names


def run_voice(settings: Settings, config: Path | None, dialect: str, **fine_tune: Any) -> None:
    """Train and judge one dialect's voice on the corpus as it is, then bring the report up to date.

    `fine_tune` are fields of FineTuneRun that this run has other than the configuration. Raises RunFailed.
    """
    _finish_takedowns(settings)
    workspace = Workspace(config=str(config or ""), root=str(settings.root))
    with open_instance(settings) as instance:
        definitions = build_definitions(workspace)
        ops = {"fine_tuned_model": {"config": fine_tune}} if fine_tune else {}
        _run(definitions, instance, "voice_job", dialect, ops)
        _run(definitions, instance, "benchmark_job")


def _finish_takedowns(settings: Settings) -> None:
    try:
        takedown.finish_pending(settings)
    except takedown.TakedownIncomplete as error:
        raise RunFailed(str(error)) from None
    except OSError as error:
        raise RunFailed(f"a takedown waits to be finished, but {error}; mend that and begin again") from None


def _run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job_name: str,
    partition: str | None = None,
    ops: dict[str, Any] | None = None,
) -> None:
    job = definitions.get_repository_def().get_job(job_name)
    config: dict = dict(_QUIET)
    if ops:
        config["ops"] = ops
    result = job.execute_in_process(
        run_config=config,
        instance=instance,
        partition_key=partition,
        raise_on_error=False,
        tags={_PID_TAG: str(os.getpid())},
    )
    if not result.success:
        failures = [event for event in result.all_events if event.is_failure and event.message]
        words = "\n".join(_root_cause(event) for event in failures) or "no event says why"
        raise RunFailed(f"run {result.run_id} of {job_name} {partition or ''} failed:\n{words}")


def _free_slots_of_ended_runs(instance: dg.DagsterInstance) -> None:
    """A run that was killed keeps its place in a pool, and every later run would wait for it without end."""
    storage = instance.event_log_storage
    for pool in storage.get_concurrency_keys():
        info = storage.get_concurrency_info(pool)
        for run_id in {*info.active_run_ids, *info.pending_run_ids, *info.assigned_run_ids}:
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                storage.free_concurrency_slots_for_run(run_id)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _root_cause(event: dg.DagsterEvent) -> str:
    data = event.event_specific_data
    error = getattr(data, "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    return f"{event.step_key or ''}: {error.message.strip() if error else event.message}"
