"""What starts runs: the sensor, the schedule and the automation conditions, on a real instance."""

from __future__ import annotations

import datetime
import wave
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

from assets.automation import landed_files, nightly
from assets.corpus_assets import consents
from assets.definitions import build_definitions
from assets.resources import Workspace

STAGES = ("recordings", "speaker_turns", "denoised_turns", "transcripts", "aligned_segments", "scored_segments")


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


def tick(
    instance: dg.DagsterInstance, workspace: Workspace, cursor: str | None = None
) -> dg.SensorResult | dg.SkipReason:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"workspace": workspace})
    result = landed_files(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def test_the_sensor_waits_until_a_batch_is_full(workspace: Workspace) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert isinstance(tick(instance, workspace), dg.SkipReason)
        land(workspace, "a.wav")
        assert isinstance(tick(instance, workspace), dg.SkipReason)
        land(workspace, "b.wav")
        result = tick(instance, workspace)
        assert isinstance(result, dg.SensorResult)
        assert [request.partition_key for request in result.run_requests or []] == ["b00001"]
        assert [request.partition_keys for request in result.dynamic_partitions_requests or []] == [["b00001"]]


def test_the_sensor_starts_a_batch_once_and_some_a_tick(workspace: Workspace) -> None:
    for number in range(6):
        land(workspace, f"{number}.wav")
    with dg.DagsterInstance.ephemeral() as instance:
        first = tick(instance, workspace)
        assert isinstance(first, dg.SensorResult)
        assert [request.run_key for request in first.run_requests or []] == ["b00001", "b00002"]
        second = tick(instance, workspace, first.cursor)
        assert isinstance(second, dg.SensorResult)
        assert [request.run_key for request in second.run_requests or []] == ["b00003"]
        assert isinstance(tick(instance, workspace, second.cursor), dg.SkipReason)


def test_the_sensor_goes_on_after_the_batch_with_the_last_name_of_five_digits(workspace: Workspace) -> None:
    land(workspace, "a.wav")
    land(workspace, "b.wav")
    folder = workspace.settings().root / "batches"
    folder.mkdir()
    (folder / "b99999.jsonl").touch()
    with dg.DagsterInstance.ephemeral() as instance:
        result = tick(instance, workspace, "b99999")
        assert isinstance(result, dg.SensorResult)
        assert [request.run_key for request in result.run_requests or []] == ["b100000"]
        assert isinstance(tick(instance, workspace, result.cursor), dg.SkipReason)


def test_the_nightly_schedule_asks_once_a_night() -> None:
    at_three = datetime.datetime(2026, 11, 23, 3, tzinfo=datetime.UTC)
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
    instance: dg.DagsterInstance, names: tuple[str, ...], partition: str, passed: bool | None = True
) -> None:
    """Report each asset as made and, unless `passed` is None, its blocking checks as run on what was made."""
    for name in names:
        key = dg.AssetKey(name)
        instance.report_runless_asset_event(dg.AssetMaterialization(asset_key=key, partition=partition))
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
        materialized(instance, ("recordings",), "b00001", passed)
        result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
        assert result.get_requested_partitions(dg.AssetKey("speaker_turns")) == requested
