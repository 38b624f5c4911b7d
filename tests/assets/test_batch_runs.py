"""Runs over batches on a real instance: over several at once, over what is no batch, and over what stands already."""

from __future__ import annotations

import wave
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from assets.definitions import build_definitions
from assets.resources import Workspace
from pipeline import batches

pytestmark = pytest.mark.slow

KEYS = [dg.AssetKey("recordings")]
CHECKS = ("schema", "conserves_time", "nothing_quarantined", "consent_coverage")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two batches of one recording each; nobody has consented, and nobody is asked to."""
    config = tmp_path / "fangyan.toml"
    config.write_text(
        f'workspace = "{tmp_path}"\n[engine]\nworkers = 1\n[batches]\nhours = {2 / 3600}\n'
        "[ingest]\nrequire_consent = false\n"
    )
    for name, tone in (("a", 0.2), ("b", 0.3)):
        land(tmp_path / "landing" / "cmn" / "radio" / f"{name}.wav", tone)
    workspace = Workspace(config=str(config))
    settings = workspace.settings()
    assert batches.plan(settings.landing, settings.root, settings, 0.0, close_all=True) == ["b00001", "b00002"]
    return workspace


def land(file: Path, tone: float) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    samples = (3000 * np.sin(np.arange(20_000) * tone)).astype("<i2")
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(samples.tobytes())


def run(workspace: Workspace, instance: dg.DagsterInstance, first: str, last: str = "") -> dg.ExecuteInProcessResult:
    """Ingest of one batch, or of a range of them, with its checks."""
    job = build_definitions(workspace).get_repository_def().get_job("stages_job")
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last} if last else {}
    return job.execute_in_process(
        instance=instance,
        partition_key=None if last else first,
        tags=tags,
        asset_selection=KEYS,
        raise_on_error=False,
    )


def evaluations(instance: dg.DagsterInstance, run_id: str) -> set[tuple[str, str | None, bool]]:
    """(check, batch, passed) of a run."""
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    found = set()
    for record in instance.get_records_for_run(run_id, of_type=kind).records:
        event = record.event_log_entry.dagster_event
        assert event is not None
        data = event.asset_check_evaluation_data
        found.add((data.check_name, data.partition, data.passed))
    return found


def test_a_range_of_batches_is_one_run_with_rows_metadata_and_checks_of_each(workspace: Workspace) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("batch", ["b00001", "b00002"])
        result = run(workspace, instance, "b00001", "b00002")
        assert result.success
        assert instance.get_materialized_partitions(KEYS[0]) == {"b00001", "b00002"}
        made = {one.partition: one.metadata for one in result.asset_materializations_for_node("recordings")}
        assert {batch: facts["dagster/row_count"].value for batch, facts in made.items()} == {"b00001": 1, "b00002": 1}
        assert made["b00001"]["dagster/uri"] != made["b00002"]["dagster/uri"]
        found = evaluations(instance, result.run_id)
    for batch in ("b00001", "b00002", None):
        assert {(name, batch, True) for name in CHECKS} <= found


def test_an_unchanged_batch_has_the_data_version_that_it_had(workspace: Workspace) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("batch", ["b00001"])

        def version() -> str:
            (made,) = run(workspace, instance, "b00001").asset_materializations_for_node("recordings")
            return (made.tags or {})["dagster/data_version"]

        first = version()
        assert version() == first
        with open(workspace.config, "a") as config:
            config.write("min_seconds = 5\n")
        assert version() != first


def test_what_is_no_batch_is_refused_in_a_sentence_and_leaves_no_partition_and_no_failed_check(
    workspace: Workspace,
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("batch", ["b00001", "monday"])
        assert run(workspace, instance, "b00001").success
        result = run(workspace, instance, "monday")
        assert not result.success
        (failure,) = result.get_step_failure_events()
        assert "there is no batch monday: batches are made of landed files" in str(failure.event_specific_data)
        assert instance.get_dynamic_partitions("batch") == ["b00001"]
        storage = instance.event_log_storage
        for name in CHECKS:
            (latest,) = storage.get_asset_check_execution_history(dg.AssetCheckKey(KEYS[0], name), limit=1)
            assert latest.status.value == "SUCCEEDED", name
