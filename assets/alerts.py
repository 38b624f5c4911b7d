"""Sensors that tell people of failed runs and failed checks. How an alert is sent is in pipeline/alerts.py.

Each cursor moves only past what was sent, so nothing is lost while a receiver is away: the tick fails and is red.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import dagster as dg

from assets.resources import Workspace
from pipeline import alerts
from pipeline.alerts import Alert, AlertNotSent

_EVENTS_A_TICK = 100
_NOBODY = "[alerts] names no webhook and no mail server: nobody is told"


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def alert_failed_runs(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult:
    """Tells of every run that failed, those of the command line included: which one, why, and where to read on."""
    kind = dg.DagsterEventType.RUN_FAILURE
    if context.cursor is None:
        latest = context.instance.fetch_run_status_changes(kind, limit=1).records
        return _begin(latest)
    wanted = dg.RunStatusChangeRecordsFilter(event_type=kind, after_storage_id=int(context.cursor))
    records = context.instance.fetch_run_status_changes(wanted, limit=_EVENTS_A_TICK, ascending=True).records
    ui = workspace.settings().ui.address
    return _deliver(
        context, workspace, ((record.storage_id, _of_run(context.instance, record, ui)) for record in records)
    )


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def alert_failed_checks(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult:
    """Tells of failed asset checks: as an error where one stops what follows, else as a warning, and once."""
    settings, ui = workspace.settings().alerts, workspace.settings().ui.address
    storage = context.instance.event_log_storage
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    if context.cursor is None:
        return _begin(storage.get_event_records(dg.EventRecordsFilter(kind), limit=1))
    wanted = dg.EventRecordsFilter(kind, after_cursor=int(context.cursor))
    records = storage.get_event_records(wanted, limit=_EVENTS_A_TICK, ascending=True)
    return _deliver(
        context,
        workspace,
        ((record.storage_id, _of_check(context.instance, record, ui, settings.warnings)) for record in records),
    )


def _begin(latest: Iterable[dg.EventLogRecord]) -> dg.SensorResult:
    """What failed before alerts were switched on is not told."""
    place = max((record.storage_id for record in latest), default=0)
    return dg.SensorResult(skip_reason=f"begins after event {place}", cursor=str(place))


def _deliver(
    context: dg.SensorEvaluationContext, workspace: Workspace, found: Iterable[tuple[int, Alert | None]]
) -> dg.SensorResult:
    """Send in order; stops at the first that reaches nobody, and raises AlertNotSent if that is the first of all."""
    settings = workspace.settings().alerts
    configured = alerts.is_configured(settings)
    cursor, sent = context.cursor, 0
    for storage_id, alert in found:
        if alert is not None and configured:
            try:
                alerts.send(alert, settings, os.environ)
            except AlertNotSent as error:
                if not sent:
                    raise
                context.log.error("%s", error)
                break
            sent += 1
        cursor = str(storage_id)
    return dg.SensorResult(skip_reason=f"{sent} alerts sent" if configured else _NOBODY, cursor=cursor)


def _of_run(instance: dg.DagsterInstance, record: dg.EventLogRecord, ui: str) -> Alert | None:
    run = instance.get_run_by_id(record.run_id)
    if run is None:
        return None
    partition = run.tags.get("dagster/partition", "")
    facts = {"run": run.run_id, "job": run.job_name, "partition": partition, "tags": _origin(run)}
    return Alert(
        "error",
        f"run of {_job(run)} {partition} failed",
        "\n".join(_causes(instance, record)) or "no event says why",
        {name: value for name, value in facts.items() if value},
        f"{ui.rstrip('/')}/runs/{run.run_id}",
    )


def _of_check(instance: dg.DagsterInstance, record: dg.EventLogRecord, ui: str, warnings: bool) -> Alert | None:
    event = record.event_log_entry.dagster_event
    assert event is not None
    found = event.asset_check_evaluation_data
    blocking = found.severity is dg.AssetCheckSeverity.ERROR
    if found.passed or not (blocking or warnings) or _told_before(instance, record):
        return None
    asset, partition = found.asset_key.to_user_string(), found.partition or ""
    facts = {"asset": asset, "check": found.check_name, "partition": partition, "run": record.run_id}
    facts["effect"] = "blocks what follows" if blocking else "a warning; nothing is stopped"
    return Alert(
        "error" if blocking else "warning",
        f"{asset}: check {found.check_name} {partition} failed",
        "\n".join([found.description or "", *(f"{name}: {_value(value)}" for name, value in found.metadata.items())]),
        {name: value for name, value in facts.items() if value},
        f"{ui.rstrip('/')}/assets/{'/'.join(found.asset_key.path)}?view=checks&checkDetail={found.check_name}",
    )


def _told_before(instance: dg.DagsterInstance, record: dg.EventLogRecord) -> bool:
    """Whether the check's evaluation before this one, of the same partition, failed with the same facts."""
    event = record.event_log_entry.dagster_event
    assert event is not None
    found = event.asset_check_evaluation_data
    key = dg.AssetCheckKey(found.asset_key, found.check_name)
    history = instance.event_log_storage.get_asset_check_execution_history(key, limit=200)
    earlier = False
    for execution in history:
        data = execution.event and execution.event.dagster_event and execution.event.dagster_event.event_specific_data
        if not isinstance(data, dg.AssetCheckEvaluation) or data.partition != found.partition:
            continue
        if earlier:
            return (data.passed, data.metadata) == (False, found.metadata)
        earlier = execution.run_id == record.run_id
    return False


def _causes(instance: dg.DagsterInstance, record: dg.EventLogRecord) -> list[str]:
    """The innermost error of each step that failed; else what the run's own event says."""
    steps = instance.get_records_for_run(record.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    events = [step.event_log_entry.dagster_event for step in steps] or [record.event_log_entry.dagster_event]
    return [_cause(event) for event in events if event is not None]


def _cause(event: dg.DagsterEvent) -> str:
    error = getattr(event.event_specific_data, "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    said = error.message.strip() if error else event.message or ""
    return f"{event.step_key}: {said}" if event.step_key else said


def _job(run: dg.DagsterRun) -> str:
    """A job's name; of a run that Dagster made up for some assets, theirs."""
    if not run.job_name.startswith("__"):
        return run.job_name
    return ", ".join(sorted(key.to_user_string() for key in run.asset_selection or ())) or "chosen assets"


def _origin(run: dg.DagsterRun) -> str:
    origin = ("dagster/schedule_name", "dagster/sensor_name", "dagster/backfill")
    return ", ".join(f"{name.partition('/')[2]} {run.tags[name]}" for name in origin if name in run.tags)


def _value(value: dg.MetadataValue) -> str:
    said = str(value.value)
    return "(a picture)" if "data:image" in said else said


alert_sensors = [alert_failed_runs, alert_failed_checks]
