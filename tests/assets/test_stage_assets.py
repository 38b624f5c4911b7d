"""The assets of the stages follow the stage list: dependencies, checks, and a stage that is added to the list alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from toy_stages import COUNT, RECOUNT, SCHEMA

from assets.definitions import build_definitions, defs
from assets.resources import Workspace
from pipeline import batches, ledger, stage_list
from pipeline.lake.query import query
from pipeline.lake.tables import TABLES
from pipeline.stage_list import STAGES


def test_an_asset_depends_on_the_tables_that_its_stage_reads() -> None:
    graph = defs.get_repository_def().asset_graph
    for entry in STAGES:
        expected = {one.asset for one in STAGES if one.table in entry.stage_class.reads}
        expected |= {"recordings"} if entry.name != "ingest" else {"landing_files"}
        parents = {key.to_user_string() for key in graph.get(dg.AssetKey(entry.asset)).parent_keys}
        assert parents == expected, entry.name


@pytest.fixture
def workspace(tmp_path: Path, encode: Callable[..., Path], murmur: Callable[..., np.ndarray]) -> Workspace:
    """One recording with its consent, its batch closed."""
    config = tmp_path / "fangyan.toml"
    config.write_text(f'workspace = "{tmp_path}"\n[engine]\nworkers = 1\n')
    workspace = Workspace(config=str(config))
    settings = workspace.settings()
    encode(settings.landing / "yue/tv/a.wav", murmur(1.0, 8000), 8000)
    line = {"consent_id": "c", "scopes": ["asr"], "recordings": ["**"]}
    (settings.landing / "consents.jsonl").write_text(json.dumps(line) + "\n")
    batches.plan(settings.landing, settings.root, settings, now=0, close_all=True)
    return workspace


@pytest.mark.slow
def test_a_stage_added_to_the_list_gets_asset_checks_ledger_and_view(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_list, "STAGES", (STAGES[0], COUNT, RECOUNT))
    for entry in (COUNT, RECOUNT):
        monkeypatch.setitem(TABLES, entry.table, SCHEMA)
    definitions = build_definitions(workspace)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("batch", ["b00001"])
        job = definitions.get_repository_def().get_job("stages_job")
        assert job.execute_in_process(instance=instance, partition_key="b00001").success
        assert instance.get_materialized_partitions(dg.AssetKey("recounts")) == {"b00001"}
        made = instance.get_latest_materialization_event(dg.AssetKey("recounts"))
        assert made is not None
        assert made.asset_materialization is not None
        assert made.asset_materialization.metadata["dagster/row_count"].value == 1
        corpus = definitions.get_repository_def().get_job("corpus_job")
        assert corpus.execute_in_process(instance=instance).success
    checks = {key.name for key in definitions.get_repository_def().asset_graph.get(dg.AssetKey("recounts")).check_keys}
    assert checks >= {"schema", "conserves_time", "nothing_quarantined"}
    lake = workspace.lake()
    assert ledger.leaks(lake, "b00001") == []
    assert query(lake, "SELECT seconds, rows_read FROM recounts").rows == [(1.0, 2)]
    stages = "SELECT DISTINCT stage FROM yield_by_reason"
    assert {row[0] for row in query(lake, stages).rows} == {"ingest", "count", "recount"}
