"""What starts runs: the sensor, the schedule and the automation conditions, on a real instance."""

from __future__ import annotations

import datetime
import re
import shutil
import time
import wave
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

from assets.automation import landed_files
from assets.corpus_assets import consents
from assets.definitions import build_definitions
from assets.jobs import close_batch_now
from assets.resources import Workspace
from assets.schedules import build_schedules
from pipeline import batches, ledger, stage_list
from pipeline.lake.lake import Lake
from pipeline.settings import Schedules, SettingsError, load_settings

STAGES = (
    "recordings",
    "speaker_turns",
    "denoised_turns",
    "hypotheses",
    "transcripts",
    "aligned_segments",
    "scored_segments",
    "dialect_segments",
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Batches close after 3 s of audio, at most two a tick, and no file is too young."""
    config = tmp_path / "fangyan.toml"
    config.write_text(
        f'workspace = "{tmp_path}"\n[batches]\nhours = {3 / 3600}\nsettle_seconds = 0\nmax_new_per_tick = 2\n'
    )
    (tmp_path / "landing" / "cmn" / "radio").mkdir(parents=True)
    return Workspace(config=str(config))


def land(workspace: Workspace, name: str, seconds: float = 2.0) -> None:
    samples = (3000 * np.sin(np.arange(int(8000 * seconds)) * 0.2)).astype("<i2")
    with wave.open(str(workspace.settings().landing / "cmn" / "radio" / name), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())


def tick(instance: dg.DagsterInstance, workspace: Workspace, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"workspace": workspace})
    result = landed_files(context)
    assert isinstance(result, dg.SensorResult)
    return result


def started(result: dg.SensorResult) -> list[str | None]:
    """Batches that the tick starts."""
    return [request.run_key for request in result.run_requests or []]


def test_the_sensor_waits_until_a_batch_is_full(workspace: Workspace) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert started(tick(instance, workspace)) == []
        land(workspace, "a.wav")
        assert started(tick(instance, workspace)) == []
        land(workspace, "b.wav")
        result = tick(instance, workspace)
        assert started(result) == ["b00001"]
        assert [request.partition_keys for request in result.dynamic_partitions_requests or []] == [["b00001"]]


def test_the_sensor_says_how_much_waits_and_when_it_becomes_a_batch(workspace: Workspace) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert "no file waits in" in str(tick(instance, workspace).skip_reason)
        land(workspace, "a.wav", seconds=1.8)
        told = str(tick(instance, workspace).skip_reason)
    assert "1 file waits in" in told
    assert "0.00 of 0.000833333 h" in told
    assert re.search(r"at the latest \d{4}-\d\d-\d\d \d\d:\d\d CST", told)
    assert "close_batch_now" in told


def test_the_sensor_makes_the_landing_folder(workspace: Workspace) -> None:
    shutil.rmtree(workspace.settings().landing)
    with dg.DagsterInstance.ephemeral() as instance:
        tick(instance, workspace)
    assert workspace.settings().landing.is_dir()


def test_the_sensor_starts_a_batch_once_and_some_a_tick(workspace: Workspace) -> None:
    for number in range(6):
        land(workspace, f"{number}.wav")
    with dg.DagsterInstance.ephemeral() as instance:
        first = tick(instance, workspace)
        assert started(first) == ["b00001", "b00002"]
        second = tick(instance, workspace, first.cursor)
        assert started(second) == ["b00003"]
        assert started(tick(instance, workspace, second.cursor)) == []


def test_the_sensor_goes_on_after_the_batch_with_the_last_name_of_five_digits(workspace: Workspace) -> None:
    land(workspace, "a.wav")
    land(workspace, "b.wav")
    folder = workspace.settings().root / "batches"
    folder.mkdir()
    (folder / "b99999.jsonl").touch()
    with dg.DagsterInstance.ephemeral() as instance:
        result = tick(instance, workspace, "b99999")
        assert started(result) == ["b100000"]
        assert started(tick(instance, workspace, result.cursor)) == []


def test_the_sensor_does_not_start_a_batch_that_the_command_line_has_finished_or_is_at(workspace: Workspace) -> None:
    for number in range(6):
        land(workspace, f"{number}.wav")
    settings = workspace.settings()
    batches.plan(settings.landing, settings.root, settings, time.time(), close_all=True)
    Lake(settings.lake).write("ledger", ledger.partition("b00001", stage_list.names()[-1]), [])
    with dg.DagsterInstance.ephemeral() as instance:
        tags = {"dagster/partition": "b00002"}
        running = dg.DagsterRun("stages_job", status=dg.DagsterRunStatus.STARTED, tags=tags)
        instance.add_run(running)
        result = tick(instance, workspace)
        instance.report_run_failed(running)
        assert started(tick(instance, workspace, result.cursor)) == ["b00002", "b00003"]
    assert started(result) == ["b00003"]
    (added,) = result.dynamic_partitions_requests or []
    assert added.partition_keys == ["b00001", "b00002", "b00003"]


def test_the_sensor_leaves_all_batches_to_a_command_line_that_is_at_them(workspace: Workspace) -> None:
    for number in range(4):
        land(workspace, f"{number}.wav")
    settings = workspace.settings()
    batches.plan(settings.landing, settings.root, settings, time.time(), close_all=True)
    with dg.DagsterInstance.ephemeral() as instance:
        with batches.running_all(settings.root):
            result = tick(instance, workspace)
        assert started(result) == []
        assert "fangyan run" in str(result.skip_reason)
        assert started(tick(instance, workspace, result.cursor)) == ["b00001", "b00002"]


def test_partitions_that_cannot_be_batches_are_removed(workspace: Workspace) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("batch", ["monday", "b00007"])
        (change,) = tick(instance, workspace).dynamic_partitions_requests or []
    assert isinstance(change, dg.DeleteDynamicPartitionsRequest)
    assert change.partition_keys == ["monday"]


def test_a_job_closes_the_batch_at_once_and_the_sensor_starts_it(workspace: Workspace) -> None:
    land(workspace, "a.wav", seconds=1.0)
    with dg.DagsterInstance.ephemeral() as instance:
        assert started(tick(instance, workspace)) == []
        job = build_definitions(workspace).get_repository_def().get_job(close_batch_now.name)
        assert job.execute_in_process(instance=instance).success
        assert instance.get_dynamic_partitions("batch") == ["b00001"]
        assert started(tick(instance, workspace)) == ["b00001"]


def test_what_starts_by_itself_waits_for_people_and_new_batches(workspace: Workspace) -> None:
    repository = build_definitions(workspace).get_repository_def()
    priority = "dagster/priority"
    followers = {name: repository.get_sensor_def(name) for name in ("follow_stages", "follow_corpus", "follow_voices")}
    urgent = {name: int(sensor.run_tags[priority]) for name, sensor in followers.items()}
    assert urgent == {"follow_stages": -5, "follow_corpus": -5, "follow_voices": -10}
    for number in range(2):
        land(workspace, f"{number}.wav")
    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = tick(instance, workspace).run_requests or []
    assert priority not in request.tags


def test_regular_runs_start_at_the_hours_of_the_time_zone_that_the_configuration_names(workspace: Workspace) -> None:
    with open(workspace.config, "a") as file:
        file.write('[schedules]\ntimezone = "Europe/Berlin"\nnightly = "15 4 * * *"\nconsents = "5 * * * *"\n')
    repository = build_definitions(workspace).get_repository_def()
    schedule = repository.get_schedule_def("nightly")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("15 4 * * *", "Europe/Berlin")
    condition = repository.asset_graph.get(dg.AssetKey("consents")).automation_condition
    assert condition == dg.AutomationCondition.on_cron("5 * * * *", "Europe/Berlin")
    assert {one.execution_timezone for one in build_schedules(Schedules())} == {"Asia/Shanghai"}


def test_a_time_zone_that_nobody_knows_is_refused_by_its_key() -> None:
    with pytest.raises(SettingsError, match=r"schedules\.timezone = 'Mars': .*Asia/Shanghai"):
        load_settings(environment={"FANGYAN_SCHEDULES__TIMEZONE": "Mars"})


def test_the_nightly_schedule_asks_once_a_night() -> None:
    at_three = datetime.datetime(2026, 11, 23, 3, tzinfo=datetime.UTC)
    nightly, _ = build_schedules(Schedules())
    request = nightly(dg.build_schedule_context(scheduled_execution_time=at_three))
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == "2026-11-23"


def test_a_consent_that_ends_is_news_to_those_who_use_it(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    line = '{"consent_id": "c", "scopes": ["tts_training"], "recordings": ["**"], "until": "2026-06-01"}\n'
    (workspace.settings().landing / "consents.jsonl").write_text(line, encoding="utf-8")

    def version(day: int) -> str:
        class Today(datetime.date):
            @classmethod
            def today(cls) -> datetime.date:
                return datetime.date(2026, 6, day)

        monkeypatch.setattr("pipeline.rights.consent_store.date", Today)
        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize([consents], instance=instance, resources={"workspace": workspace})
        (made,) = result.asset_materializations_for_node("consents")
        return (made.tags or {})["dagster/data_version"]

    last, after, later = (version(day) for day in (1, 2, 3))
    assert last != after == later


BLOCKING = {name: ["schema", "conserves_time"] for name in STAGES}
BLOCKING["recordings"] += ["consent_coverage"]
BLOCKING["aligned_segments"] += ["alignment_gate"]


def materialized(
    instance: dg.DagsterInstance,
    names: tuple[str, ...],
    partition: str,
    passed: bool | None = True,
    content: str = "one",
) -> None:
    """Report each asset as made and, unless `passed` is None, its blocking checks as run on what was made."""
    tags = {"dagster/data_version": content, "dagster/is_user_provided_data_version": "true"}
    for name in names:
        key = dg.AssetKey(name)
        instance.report_runless_asset_event(dg.AssetMaterialization(asset_key=key, partition=partition, tags=tags))
        wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
        (record,) = instance.fetch_materializations(wanted, limit=1).records
        target = AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for check in BLOCKING[name] if passed is not None else []:
            evaluation = dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=check,
                passed=passed,
                metadata={},
                target_materialization_data=target,
                severity=dg.AssetCheckSeverity.ERROR,
                partition=partition,
            )
            instance.report_runless_asset_event(evaluation)


def test_a_batch_that_failed_does_not_hold_up_the_corpus(workspace: Workspace) -> None:
    definitions = build_definitions(workspace)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("batch", ["b00001", "b00002", "b00003"])
        materialized(instance, ("recordings",), "b00002", passed=False)
        first = dg.evaluate_automation_conditions(definitions, instance)
        materialized(instance, STAGES, "b00001")
        second = dg.evaluate_automation_conditions(definitions, instance, cursor=first.cursor)
        for name in ("speakers", "corpus", "catalog"):
            assert second.get_num_requested(dg.AssetKey(name)) == 1
        third = dg.evaluate_automation_conditions(definitions, instance, cursor=second.cursor)
        assert third.get_num_requested(dg.AssetKey("speakers")) == 0


def test_a_batch_that_fails_its_blocking_checks_does_not_start_the_corpus(workspace: Workspace) -> None:
    definitions = build_definitions(workspace)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("batch", ["b00001"])
        first = dg.evaluate_automation_conditions(definitions, instance)
        materialized(instance, STAGES, "b00001", passed=False)
        second = dg.evaluate_automation_conditions(definitions, instance, cursor=first.cursor)
        assert second.get_num_requested(dg.AssetKey("speakers")) == 0


@pytest.mark.parametrize(("passed", "requested"), [(True, {"b00001"}), (False, set())])
def test_a_stage_follows_its_upstream_but_not_past_a_failed_blocking_check(
    workspace: Workspace, passed: bool, requested: set[str]
) -> None:
    definitions = build_definitions(workspace)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("batch", ["b00001"])
        materialized(instance, STAGES, "b00001", passed=None)
        cursor = dg.evaluate_automation_conditions(definitions, instance).cursor
        materialized(instance, ("recordings",), "b00001", passed, content="two")
        result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
        assert result.get_requested_partitions(dg.AssetKey("speaker_turns")) == requested
