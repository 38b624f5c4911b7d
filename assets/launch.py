"""Runs jobs in this process on the workspace's Dagster instance, so that the UI lists them. The CLI's way in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.tags import MAX_RETRIES_TAG, PARTITION_NAME_TAG

from assets import leases
from assets.definitions import build_definitions
from assets.home import RunFailed, clear_failures, open_instance
from assets.jobs import stages_job
from assets.partitions import batch_partitions
from assets.resources import Workspace
from pipeline import batches
from pipeline.settings import Settings
from pipeline.stage_list import STAGES
from pipeline.takedown import takedown

# What went wrong is told in RunFailed; the whole account is in the UI.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
__all__ = ["RunFailed", "open_instance", "run_pending", "run_voice"]


def run_pending(settings: Settings, config: Path | None, retry_quarantined: bool = False) -> list[str]:
    """Close batches over everything that has landed, bring each batch and then the corpus up to date.

    Takedowns that were interrupted are finished first. Returns the names of the batches. A run whose provenance stands
    costs next to nothing. Raises RunFailed.
    """
    workspace = Workspace(config=str(config or ""), root=str(settings.root))
    with clear_failures(settings), open_instance(settings, retry=False) as instance:
        _finish_takedowns(settings)
        batches.plan(settings.landing, settings.root, settings, time.time(), close_all=True)
        names = batches.names(settings.root)
        instance.add_dynamic_partitions(batch_partitions.name or "batch", names)
        retry = (
            {stage.asset: {"config": {"retry_quarantined": True}} for stage in STAGES} if retry_quarantined else None
        )
        with batches.running_all(settings.root):
            for name in names:
                _run(instance, workspace, stages_job.name, name, retry)
        if names:
            _run(instance, workspace, "corpus_job")
    return names


def run_voice(settings: Settings, config: Path | None, dialect: str, **fine_tune: Any) -> None:
    """Train and judge one dialect's voice on the corpus as it is, then bring the report up to date.

    `fine_tune` are fields of FineTuneRun that this run has other than the configuration. Raises RunFailed.
    """
    workspace = Workspace(config=str(config or ""), root=str(settings.root))
    with clear_failures(settings), open_instance(settings) as instance:
        _finish_takedowns(settings)
        ops = {"fine_tuned_model": {"config": fine_tune}} if fine_tune else {}
        _run(instance, workspace, "voice_job", dialect, ops)
        _run(instance, workspace, "report_job")


def _finish_takedowns(settings: Settings) -> None:
    try:
        takedown.finish_pending(settings)
    except takedown.TakedownIncomplete as error:
        raise RunFailed(str(error)) from None
    except OSError as error:
        raise RunFailed(f"a takedown waits to be finished, but {error}; mend that and begin again") from None


def workspace_job(name: str, config: str, root: str) -> dg.JobDefinition:
    """The job called `name` on a workspace, as Dagster builds it again from these arguments."""
    return build_definitions(Workspace(config=config, root=root)).resolve_job_def(name)


def _run(
    instance: dg.DagsterInstance,
    workspace: Workspace,
    job_name: str,
    partition: str | None = None,
    ops: dict[str, Any] | None = None,
) -> None:
    config: dict = dict(_QUIET)
    if ops:
        config["ops"] = ops
    arguments = {"name": job_name, "config": workspace.config, "root": workspace.root}
    job = dg.build_reconstructable_job("assets.launch", "workspace_job", reconstructable_kwargs=arguments)
    tags = {MAX_RETRIES_TAG: "0"} | ({PARTITION_NAME_TAG: partition} if partition else {})
    try:
        result = dg.execute_job(job, instance, run_config=config, tags=tags)
    finally:
        leases.release()
    if not result.success:
        failures = [event for event in result.all_events if event.is_failure and event.message]
        words = "\n".join(_root_cause(event) for event in failures) or "no event says why"
        raise RunFailed(f"run {result.run_id} of {job_name} {partition or ''} failed:\n{words}")


def _root_cause(event: dg.DagsterEvent) -> str:
    data = event.event_specific_data
    error = getattr(data, "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    return f"{event.step_key or ''}: {error.message.strip() if error else event.message}"
