"""What every asset says about itself, as the code location is loaded."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from assets.definitions import defs
from assets.lineage import column_lineage
from assets.sources import CONSENTS, LANDING, heartbeat
from assets.transient import retried_if_it_passes
from pipeline.settings import Settings
from pipeline.stage_list import STAGES

GRAPH = defs.get_repository_def().asset_graph
SOURCES = {LANDING.key, CONSENTS.key}
MADE = sorted(GRAPH.get_all_asset_keys() - SOURCES)


def test_every_asset_has_an_owner_a_domain_a_code_version_and_a_reference_to_its_code() -> None:
    for key in MADE:
        node = GRAPH.get(key)
        assert node.owners, key
        assert node.tags["domain"] == node.group_name, key
        assert node.code_version, key
        assert "dagster/code_references" in node.metadata, key
        assert node.description, key


def test_every_table_has_its_columns_and_name_before_it_is_made() -> None:
    for entry in STAGES:
        metadata = GRAPH.get(dg.AssetKey(entry.asset)).metadata
        assert metadata["dagster/table_name"] == entry.table
        assert metadata["dagster/column_schema"].columns


def test_a_column_comes_from_the_columns_of_its_name_that_the_stage_reads() -> None:
    found = column_lineage("alignments").deps_by_column
    sources = {dep.asset_key.to_user_string() for dep in found["text"]}
    assert sources == {"transcripts"}
    assert "provenance" not in found
    for entry in STAGES:
        parents = {key.to_user_string() for key in GRAPH.get(dg.AssetKey(entry.asset)).parent_keys}
        for deps in column_lineage(entry.table).deps_by_column.values():
            assert {dep.asset_key.to_user_string() for dep in deps} <= parents


def test_corpus_catalog_report_and_the_landing_zone_have_to_be_fresh() -> None:
    for name in ("corpus", "catalog", "report", "consents", "landing_files"):
        assert GRAPH.get(dg.AssetKey(name)).freshness_policy_or_from_metadata, name


def test_the_sensor_s_heartbeat_comes_once_in_a_while(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        (event,) = heartbeat(instance, settings)
        assert event.metadata["files_waiting"].value == 0
        instance.report_runless_asset_event(event)
        assert heartbeat(instance, settings) == []


def test_a_fault_that_passes_is_tried_again_and_another_is_not() -> None:
    with pytest.raises(dg.RetryRequested), retried_if_it_passes():
        raise TimeoutError(110, "the file server is away")
    with pytest.raises(FileNotFoundError), retried_if_it_passes():
        raise FileNotFoundError(2, "no such file")


def test_a_job_keeps_its_old_name_for_a_version() -> None:
    assert {"report_job", "benchmark_job", "stages_job", "line_job", "close_batch_now", "redo_for_dialect"} <= set(
        defs.get_repository_def().job_names
    )
