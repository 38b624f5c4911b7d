"""The catalog on real DuckDB: typed views, comments, summaries, nothing but reading, and swapping under readers."""

from __future__ import annotations

import csv
import io
import json
import threading
from pathlib import Path

import duckdb
import pytest

from pipeline.lake.catalog import CatalogError, Result, as_text, build_catalog, query, render
from pipeline.lake.lake import Lake
from pipeline.lake.tables import TABLES


def recording(name: str, dialect: str = "yue", seconds: float = 3600.0, status: str = "ok") -> dict:
    return {
        "source": f"{dialect}/radio/{name}.wav",
        "recording_id": name,
        "batch": "b1",
        "dialect": dialect,
        "collection": "radio",
        "status": status,
        "duration": seconds,
        "metadata": [("region", "Foshan")],
        "provenance": "p",
    }


def segment(name: str, recording_id: str, seconds: float = 360.0, decision: str = "keep") -> dict:
    return {
        "segment_id": name,
        "recording_id": recording_id,
        "turn_id": f"{recording_id}-t",
        "batch": "b1",
        "dialect": "yue",
        "local_speaker": "S0",
        "start": 0.0,
        "end": seconds,
        "duration": seconds,
        "text": "你好。",
        "characters": [{"char": "你", "start": 0.0, "end": 0.5, "score": 0.9}],
        "decision": decision,
        "audio": {"bytes": b"fLaC" * 10, "path": f"{name}.flac"},
        "provenance": "p",
    }


def decided(name: str, recording_id: str, **facts: object) -> dict:
    row = {
        "segment_id": name,
        "recording_id": recording_id,
        "speaker_id": "spk-1",
        "split": "train",
        "decision": "keep",
    }
    return row | facts


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "it's a [lake]")
    lake.write("recordings", "b1", [recording("r1"), recording("r2"), recording("r3", "cmn", 1800.0)])
    lake.write("segments", "b1", [segment("s1", "r1"), segment("s2", "r1"), segment("s3", "r2", decision="drop")])
    dropped = {"split": None, "decision": "drop"}
    lake.write(
        "corpus",
        "all",
        [
            decided("s1", "r1"),
            decided("s2", "r1", **dropped, drop_reason="duplicate_segment", duplicate_of="s1"),
            decided("s3", "r2", **dropped, drop_reason="too_short"),
        ],
    )
    speaker = {"speaker_id": "spk-1", "recording_id": "r1", "local_speaker": "S0", "dialect": "yue", "seconds": 900.0}
    lake.write("speakers", "all", [speaker, speaker | {"recording_id": "r2", "similarity": 0.7}])
    entry = {"source": "yue/radio/r1.wav", "recording_id": "r1", "batch": "b1", "stage": "score", "provenance": "p"}
    lake.write(
        "ledger",
        "b1.score",
        [
            entry | {"outcome": "passed", "reason": "", "seconds": 2700.0},
            entry | {"outcome": "dropped", "reason": "too_short", "seconds": 900.0},
        ],
    )
    return lake


@pytest.fixture
def catalog(lake: Lake, tmp_path: Path) -> Path:
    file = tmp_path / "catalog.duckdb"
    build_catalog(lake, file)
    return file


def test_every_table_is_a_view_with_its_columns_in_order_whether_it_has_files_or_not(catalog: Path) -> None:
    for name, schema in TABLES.items():
        described = query(catalog, f"DESCRIBE {name}").rows
        assert [row[0] for row in described] == schema.names, name
    assert query(catalog, "SELECT count(*) FROM quarantine").rows == [(0,)]
    types = {row[0]: row[1] for row in query(catalog, "DESCRIBE consents").rows}
    assert types["recordings"] == "VARCHAR[]"
    assert types["revoked"] == "VARCHAR"


def test_views_and_columns_carry_the_descriptions_and_units_of_the_schemas(catalog: Path) -> None:
    (about,) = query(catalog, "SELECT comment FROM duckdb_views() WHERE view_name = 'turns'").rows[0]
    assert about == TABLES["turns"].metadata[b"description"].decode()
    (start,) = query(
        catalog, "SELECT comment FROM duckdb_columns() WHERE table_name = 'turns' AND column_name = 'start'"
    ).rows[0]
    assert start == "Start in the original recording [s]"


def test_segments_show_what_the_corpus_decided(catalog: Path) -> None:
    rows = query(catalog, "SELECT segment_id, speaker_id, split, decision, drop_reason FROM segments ORDER BY 1").rows
    assert rows == [
        ("s1", "spk-1", "train", "keep", None),
        ("s2", "spk-1", None, "drop", "duplicate_segment"),
        ("s3", "spk-1", None, "drop", "too_short"),
    ]


def test_summaries_count_hours(catalog: Path) -> None:
    columns = "dialect, recordings, hours_landed, hours_kept, segments, speakers, hours_train"
    rows = query(catalog, f"SELECT {columns} FROM hours_by_dialect").rows
    assert rows == [("cmn", 1, 0.5, 0.0, 0, 0, 0.0), ("yue", 2, 2.0, 0.1, 1, 1, 0.1)]
    rows = query(catalog, "SELECT stage, outcome, reason, recordings, hours, share FROM yield_by_reason").rows
    assert rows == [("score", "passed", "", 1, 0.75, 0.75), ("score", "dropped", "too_short", 1, 0.25, 0.25)]
    row = query(
        catalog, "SELECT speaker_id, recordings, dialects, seconds_spoken, seconds_kept FROM speaker_summary"
    ).rows
    assert row == [("spk-1", 2, ["yue"], 1800.0, 360.0)]


def test_new_partitions_show_without_building_the_catalog_anew(catalog: Path, lake: Lake) -> None:
    lake.write("recordings", "b2", [recording("r9")])
    assert query(catalog, "SELECT count(*) FROM recordings").rows == [(4,)]


def test_files_of_an_older_version_get_nulls_in_new_columns(catalog: Path, lake: Lake) -> None:
    old = lake.read("segments", "b1").drop_columns(["audio_sha256", "tier"])
    lake.write("segments", "b1", iter([old]))
    assert query(catalog, "SELECT count(*), count(tier), count(audio_sha256) FROM segments").rows == [(3, 0, 0)]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE mine (x INT)",
        "COPY (SELECT 1) TO 'out.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 'out.csv'",
        "SET enable_external_access = true",
        "ATTACH 'other.duckdb'",
        "DROP VIEW segments",
        "PRAGMA database_list",
        "SELECT 1; DROP VIEW segments",
        "",
    ],
)
def test_anything_but_one_reading_statement_is_refused(
    catalog: Path, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CatalogError):
        query(catalog, sql)
    assert not (tmp_path / "out.csv").exists()


def test_files_outside_the_lake_cannot_be_read(catalog: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for sql in (
        f"SELECT * FROM read_csv('{secret}')",
        f"SELECT * FROM '{secret}'",
        f"SELECT * FROM read_text('{secret}')",
    ):
        with pytest.raises(CatalogError, match="disabled by configuration"):
            query(catalog, sql)


def test_errors_help(catalog: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="fangyan run"):
        query(tmp_path / "none.duckdb", "SELECT 1")
    with pytest.raises(CatalogError, match=r"(?s)segmnts.*hours_by_dialect"):
        query(catalog, "SELECT * FROM segmnts")
    with pytest.raises(CatalogError, match="speker"):
        query(catalog, "SELECT speker FROM segments")
    with pytest.raises(CatalogError, match="syntax error"):
        query(catalog, "SELEC 1")
    (tmp_path / "no.duckdb").write_text("this is no database")
    with pytest.raises(CatalogError, match="not a catalog"):
        query(tmp_path / "no.duckdb", "SELECT 1")


def test_a_reader_that_stays_open_keeps_reading_while_the_catalog_is_swapped(catalog: Path, lake: Lake) -> None:
    """As a notebook would: a plain read-only connection in another thread, beside many short ones."""
    failures: list[BaseException] = []
    stop = threading.Event()

    def read_again_and_again() -> None:
        try:
            with duckdb.connect(str(catalog), read_only=True) as held:
                while not stop.is_set():
                    held.execute("SELECT count(*) FROM recordings").fetchall()
                    assert query(catalog, "SELECT count(*) FROM segments").rows == [(3,)]
        except BaseException as error:
            failures.append(error)

    reader = threading.Thread(target=read_again_and_again)
    reader.start()
    for number in range(8):
        lake.write("recordings", f"more{number}", [recording(f"x{number}")])
        build_catalog(lake, catalog)
    stop.set()
    reader.join()
    assert not failures
    assert query(catalog, "SELECT count(*) FROM recordings").rows == [(11,)]
    assert [file.name for file in catalog.parent.iterdir() if file.is_file()] == [catalog.name]


def test_results_as_json_and_csv(catalog: Path) -> None:
    sql = "SELECT segment_id, audio, characters, 'a,b' AS c, NULL AS n FROM segments WHERE segment_id = 's1'"
    result = query(catalog, sql)
    (row,) = json.loads(as_text(result, "json"))
    assert row["audio"] == {"bytes": "<40 bytes>", "path": "s1.flac"}
    assert row["characters"][0]["char"] == "你"
    assert row["n"] is None
    sheet = list(csv.DictReader(io.StringIO(as_text(result, "csv"))))
    assert sheet[0]["c"] == "a,b"
    assert json.loads(sheet[0]["audio"])["path"] == "s1.flac"
    assert json.loads(as_text(Result(("x",), ("DOUBLE",), [(float("nan"),)]), "json")) == [{"x": None}]
    with pytest.raises(CatalogError, match="table, json, csv"):
        as_text(result, "yaml")


def test_a_table_is_printed_with_its_number_of_rows(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    render(query(catalog, "SELECT segment_id, audio.bytes AS sound FROM segments ORDER BY 1"))
    printed = capsys.readouterr().out
    assert "<40 bytes>" in printed
    assert "3 rows" in printed
