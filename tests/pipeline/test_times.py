"""When a row came about is said in the tables, and nothing is computed again for it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import batches, ledger, stage_list
from pipeline.lake.content import content_of
from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.lake.tables import TABLES
from pipeline.rights.consent import Consent
from pipeline.run import run_stage
from pipeline.settings import Engine, Settings
from pipeline.stage import Stage
from pipeline.stage_list import build_stage
from pipeline.tasks import tasks_of

BATCH = "b00001"


@pytest.fixture(scope="module")
def ingested(
    tmp_path_factory: pytest.TempPathFactory, encode: Callable[..., Path], murmur: Callable[..., np.ndarray]
) -> Path:
    """A workspace with one recording and one file that is none, ingested."""
    settings = Settings(workspace=tmp_path_factory.mktemp("ingested"), engine=Engine(workers=1))
    file = encode(settings.landing / "yue/tv/a.wav", murmur(1.0, 8000, seed=1), 8000)
    file.with_name("b.wav").write_bytes(file.read_bytes()[:30])
    # It was recorded long before it landed.
    os.utime(file, (1e9, 1e9))
    line = {"consent_id": "c", "scopes": ["asr"], "recordings": ["yue/tv/*.wav"], "from": "2025-01-31"}
    (settings.landing / "consents.jsonl").write_text(json.dumps(line) + "\n")
    batches.plan(settings.landing, settings.root, settings, now=0, close_all=True)
    run_stage(build_stage("ingest", settings), BATCH, settings)
    return settings.root


@pytest.fixture
def settings(ingested: Path, tmp_path: Path) -> Settings:
    """A copy of it, which a test may change."""
    shutil.copytree(ingested, tmp_path / "workspace")
    return Settings(workspace=tmp_path / "workspace", engine=Engine(workers=1))


def reader_of_recordings(settings: Settings) -> Stage:
    """A stage that is given rows of recordings, as if those between had let everything pass."""
    lake, stage = Lake(settings.lake), build_stage("score", settings)
    assert "recordings" in stage.reads
    before = stage_list.before(stage.name) or ""
    rows = lake.rows("ledger", ledger.partition(BATCH, "ingest"))
    lake.write("ledger", ledger.partition(BATCH, before), [row | {"stage": before} for row in rows])
    return stage


def test_a_recording_says_when_it_landed_and_when_it_was_ingested(settings: Settings) -> None:
    rows = Lake(settings.lake).rows("recordings", BATCH)
    assert len(rows) == 2
    for row in rows:
        assert row["landed_at"].utcoffset() == timedelta(0)
        assert timedelta(0) <= row["ingested_at"] - row["landed_at"] < timedelta(minutes=10)
        assert datetime.now(UTC) - row["ingested_at"] < timedelta(minutes=10)
    (count,) = query(
        Lake(settings.lake), "SELECT count(*) FROM recordings WHERE landed_at > now() - INTERVAL 7 DAY"
    ).rows
    assert count == (2,)


def test_an_unchanged_run_leaves_the_times_as_they_are(settings: Settings) -> None:
    file = Lake(settings.lake).path("recordings", BATCH)
    before = file.read_bytes()
    assert run_stage(build_stage("ingest", settings), BATCH, settings).recomputed == 0
    assert file.read_bytes() == before


def test_later_times_are_no_other_content(settings: Settings) -> None:
    lake, stage = Lake(settings.lake), reader_of_recordings(settings)
    rows = lake.rows("recordings", BATCH)
    tasks, content = tasks_of(stage, BATCH, settings, lake), content_of(lake, [("recordings", BATCH)])
    later = [row | {name: row[name] + timedelta(days=1) for name in ("landed_at", "ingested_at")} for row in rows]
    lake.write("recordings", BATCH, later)
    again = tasks_of(stage, BATCH, settings, lake)
    assert {name: task.provenance for name, task in again.items()} == {
        name: task.provenance for name, task in tasks.items()
    }
    assert content_of(lake, [("recordings", BATCH)]) == content
    lake.write("recordings", BATCH, [row | {"peak_dbfs": -1.0} for row in rows])
    assert content_of(lake, [("recordings", BATCH)]) != content


def test_a_table_without_times_is_read_and_what_was_made_of_it_stands(settings: Settings) -> None:
    lake, stage = Lake(settings.lake), reader_of_recordings(settings)
    before = tasks_of(stage, BATCH, settings, lake)
    file = lake.path("recordings", BATCH)
    pq.write_table(pq.read_table(file).drop_columns(["landed_at", "ingested_at"]), file)
    after = tasks_of(stage, BATCH, settings, lake)
    assert [task.provenance for task in after.values()] == [task.provenance for task in before.values()]
    assert run_stage(build_stage("ingest", settings), BATCH, settings).recomputed == 0
    assert query(lake, "SELECT DISTINCT ingested_at FROM recordings").rows == [(None,)]


def test_the_days_of_a_consent_are_dates_in_files_of_either_age(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    given = {
        "consent_id": "c-1",
        "scopes": ["asr"],
        "recordings": ["yue/**"],
        "from": "2025-01-31",
        "until": "2026-02-28",
    }
    lake.write("consents", "new", [Consent.model_validate(given).row()])
    texts = {"consent_id": "c-2", "valid_from": "2025-01-31", "valid_until": "2026-02-28", "revoked": None}
    schema = TABLES["consents"]
    for name in ("valid_from", "valid_until", "revoked"):
        place = schema.get_field_index(name)
        schema = schema.set(place, pa.field(name, pa.string()))
    pq.write_table(pa.Table.from_pylist([texts], schema=schema), lake.path("consents", "old"))
    rows = {row["consent_id"]: row for row in lake.rows("consents")}
    for name in ("c-1", "c-2"):
        assert (rows[name]["valid_from"], rows[name]["revoked"]) == (date(2025, 1, 31), None)
    soon = "SELECT consent_id FROM consents WHERE valid_until - DATE '2026-02-01' < 30 ORDER BY 1"
    assert query(lake, soon).rows == [("c-1",), ("c-2",)]
