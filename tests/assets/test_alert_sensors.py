"""The alert sensors on a real instance with runs that really fail, posting to a real webhook on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from alert_receivers import Webhook, served

from assets.alerts import alert_failed_checks, alert_failed_runs
from assets.resources import Workspace
from pipeline.alerts import AlertNotSent


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with served(Webhook()) as server:
        yield server


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def workspace_that_tells(folder: Path, url: str, more: str = "") -> Workspace:
    config = folder / "fangyan.toml"
    about = f'webhook = "{url}"\nattempts = 1\n{more}[ui]\naddress = "http://ui.example"\n'
    config.write_text(f'workspace = "{folder}"\n[alerts]\n{about}', encoding="utf-8")
    return Workspace(config=str(config))


def tick(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, workspace: Workspace, cursor: str | None
) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"workspace": workspace})
    result: Any = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


@dg.asset
def broken() -> None:
    try:
        raise FileNotFoundError("checkpoints/whisper: no such folder")
    except FileNotFoundError as error:
        raise RuntimeError("transcribe stopped") from error


@dg.asset
def sound() -> None:
    """An asset whose checks fail."""


@dg.asset_check(asset=sound, blocking=True)
def complete() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, metadata={"missing": 3})


@dg.asset_check(asset=sound)
def plausible() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, metadata={"median": 1.5})


def fail(instance: dg.DagsterInstance) -> str:
    result = dg.materialize([broken], instance=instance, raise_on_error=False)
    assert not result.success
    return result.run_id


def run_checks(instance: dg.DagsterInstance) -> None:
    dg.materialize([sound, complete, plausible], instance=instance, raise_on_error=False)


def test_a_failed_run_is_told_once_with_its_innermost_error_and_a_link(
    tmp_path: Path, webhook: Webhook, instance: dg.DagsterInstance
) -> None:
    workspace = workspace_that_tells(tmp_path, webhook.url)
    fail(instance)
    cursor = tick(alert_failed_runs, instance, workspace, None).cursor
    assert webhook.received == []
    run_id = fail(instance)
    cursor = tick(alert_failed_runs, instance, workspace, cursor).cursor
    tick(alert_failed_runs, instance, workspace, cursor)
    ((_, body),) = webhook.received
    assert body["severity"] == "error"
    assert body["title"] == "[Fangyan] ERROR: run of chosen assets failed"
    assert body["text"] == "broken: FileNotFoundError: checkpoints/whisper: no such folder"
    assert body["facts"]["run"] == run_id
    assert body["link"] == f"http://ui.example/runs/{run_id}"


def test_blocking_checks_are_errors_and_others_warnings(
    tmp_path: Path, webhook: Webhook, instance: dg.DagsterInstance
) -> None:
    workspace = workspace_that_tells(tmp_path, webhook.url)
    cursor = tick(alert_failed_checks, instance, workspace, None).cursor
    run_checks(instance)
    tick(alert_failed_checks, instance, workspace, cursor)
    told = {body["facts"]["check"]: body for _, body in webhook.received}
    assert {name: body["severity"] for name, body in told.items()} == {"complete": "error", "plausible": "warning"}
    assert told["complete"]["facts"]["effect"] == "blocks what follows"
    assert "missing: 3" in told["complete"]["text"]


def test_a_check_that_fails_again_in_the_same_way_is_not_told_again(
    tmp_path: Path, webhook: Webhook, instance: dg.DagsterInstance
) -> None:
    workspace = workspace_that_tells(tmp_path, webhook.url)
    cursor = tick(alert_failed_checks, instance, workspace, None).cursor
    for _ in range(3):
        run_checks(instance)
        cursor = tick(alert_failed_checks, instance, workspace, cursor).cursor
    assert len(webhook.received) == 2


def test_warnings_are_left_out_where_the_configuration_says_so(
    tmp_path: Path, webhook: Webhook, instance: dg.DagsterInstance
) -> None:
    workspace = workspace_that_tells(tmp_path, webhook.url, "warnings = false\n")
    cursor = tick(alert_failed_checks, instance, workspace, None).cursor
    run_checks(instance)
    tick(alert_failed_checks, instance, workspace, cursor)
    assert [body["facts"]["check"] for _, body in webhook.received] == ["complete"]


def test_an_alert_that_reached_nobody_makes_the_tick_fail_and_is_sent_by_the_next_one(
    tmp_path: Path, webhook: Webhook, instance: dg.DagsterInstance
) -> None:
    workspace = workspace_that_tells(tmp_path, webhook.url)
    cursor = tick(alert_failed_runs, instance, workspace, None).cursor
    runs = [fail(instance), fail(instance)]
    webhook.statuses = [500]
    with pytest.raises(AlertNotSent, match="answered 500"):
        tick(alert_failed_runs, instance, workspace, cursor)
    # The second of two that fails leaves the first one sent.
    webhook.statuses = [200, 500]
    cursor = tick(alert_failed_runs, instance, workspace, cursor).cursor
    tick(alert_failed_runs, instance, workspace, cursor)
    assert [body["facts"]["run"] for _, body in webhook.received[1:]] == [runs[0], runs[1], runs[1]]
    assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE] * 2


def test_without_anybody_to_tell_the_sensor_says_so(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    workspace = workspace_that_tells(tmp_path, "")
    cursor = tick(alert_failed_runs, instance, workspace, None).cursor
    fail(instance)
    result = tick(alert_failed_runs, instance, workspace, cursor)
    assert "nobody is told" in str(result.skip_reason)
    assert int(result.cursor or 0) > int(cursor or 0)
