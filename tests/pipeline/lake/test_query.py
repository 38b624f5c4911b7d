"""SQL on a real lake: typed views with comments, summaries, and nothing but reading of the lake's tables."""

from __future__ import annotations

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from query_lake import recording, segment

from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.lake.query_result import CatalogError
from pipeline.lake.rows import to_table
from pipeline.lake.storage import SharedFile
from pipeline.lake.tables import RENAMED, TABLES

WRITING = [
    "COPY (SELECT 1 AS x) TO '{file}'",
    "COPY segments TO '{file}' (FORMAT parquet)",
    "COPY (SELECT 1 AS x) TO '{folder}' (FORMAT parquet, PARTITION_BY x, OVERWRITE true)",
    "COPY (SELECT 1 AS x) TO 'lake://segments/b1.parquet'",
    "/* SELECT '*/ EXPLAIN ANALYZE COPY (SELECT 1 AS x) TO '{file}' --'",
    "EXPLAIN ANALYZE COPY (SELECT 1 AS x) TO '{file}'",
    "EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1 AS x) TO '{file}'",
    "explain\n-- a note\n/* SELECT */ analyze copy (SELECT 1 AS x) TO '{file}'",
    "EXPLAIN ANALYZE COPY (SELECT 1 AS x) TO 'lake://segments/b1.parquet'",
    "WITH made AS (COPY (SELECT 1 AS x) TO '{file}') SELECT 1",
    "WITH made AS (COPY (SELECT 1 AS x) TO 'lake://segments/b1.parquet') SELECT * FROM made",
    "WITH made AS MATERIALIZED (COPY segments TO '{file}') FROM made",
    "EXPLAIN ANALYZE WITH made AS (COPY (SELECT 1 AS x) TO '{file}') SELECT 1",
    "SELECT * FROM query('COPY (SELECT 1 AS x) TO ''{file}''')",
    "EXPORT DATABASE '{folder}'",
    "IMPORT DATABASE '{folder}'",
    "ATTACH '{folder}/other.duckdb'",
    "ATTACH '{file}' AS other (TYPE sqlite)",
    "INSTALL httpfs",
    "LOAD '{file}'",
    "SET enable_external_access = true",
    "SET GLOBAL allowed_directories = ['/']",
    "RESET lock_configuration",
    "PRAGMA enable_profiling",
    "PRAGMA database_list",
    "CALL enable_logging(storage := 'file', storage_path := '{folder}')",
    "SELECT * FROM enable_logging(storage = 'file', storage_path = '{folder}')",
    "SELECT * FROM enable_profiling()",
    "CREATE TABLE mine (x INT)",
    "CREATE TABLE mine AS SELECT 1",
    "CREATE VIEW segments AS SELECT 1",
    "CREATE SECRET (TYPE s3)",
    "INSERT INTO segments SELECT * FROM segments",
    "UPDATE segments SET text = ''",
    "DELETE FROM segments",
    "MERGE INTO segments USING corpus USING (segment_id) WHEN MATCHED THEN DELETE",
    "DROP VIEW segments",
    "ALTER VIEW segments RENAME TO other",
    "COMMENT ON VIEW segments IS 'mine'",
    "PREPARE p AS COPY (SELECT 1 AS x) TO '{file}'",
    "EXECUTE p",
    "BEGIN",
    "CHECKPOINT",
    "VACUUM",
    "SELECT 1; DROP VIEW segments",
    "SELECT 1; COPY (SELECT 1 AS x) TO '{file}'",
    "PIVOT segments ON dialect; COPY (SELECT 1 AS x) TO '{file}'",
    "",
    "-- nothing",
    "SELEC 1",
]
READING = [
    "SELECT segment_id FROM segments",
    "-- a note\nSELECT segment_id FROM segments -- another",
    "/* SELECT '*/ SELECT segment_id FROM segments --'",
    "(SELECT segment_id FROM segments);",
    "FROM segments",
    "FROM segments SELECT segment_id WHERE decision = 'keep'",
    "WITH kept AS (SELECT * FROM segments) SELECT count(*) FROM kept",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) FROM n",
    "TABLE segments",
    "VALUES (1), (2)",
    "PIVOT segments ON dialect USING sum(duration)",
    "PIVOT segments ON decision USING count(*) GROUP BY dialect",
    "FROM (PIVOT segments ON decision USING count(*) GROUP BY dialect)",
    "UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b",
    "EXPLAIN SELECT count(*) FROM segments",
    "-- a note\nEXPLAIN SELECT count(*) FROM segments",
    "EXPLAIN ANALYZE SELECT count(*) FROM segments",
    "/* why */ EXPLAIN (FORMAT json) SELECT count(*) FROM segments",
    "SUMMARIZE segments",
    "SUMMARIZE SELECT duration FROM segments",
    "DESCRIBE segments",
    "DESCRIBE SELECT duration FROM segments",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SHOW segments",
    "SELECT comment FROM duckdb_views() WHERE view_name = 'segments'",
    "SELECT unnest(characters).char FROM segments",
    "SELECT * FROM query_table('segments')",
]


def digest(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_every_table_is_a_view_with_its_columns_in_order_whether_it_has_files_or_not(lake: Lake) -> None:
    columns = "list(column_name ORDER BY column_index)"
    found = dict(query(lake, f"SELECT table_name, {columns} FROM duckdb_columns() GROUP BY table_name").rows)
    expected = {name: [*schema.names, *RENAMED.get(name, {})] for name, schema in TABLES.items()}
    expected["segments"] += ["dialect_heard", "dialect_probability", "dialect_spans", "review_reason"]
    assert {name: found[name] for name in TABLES} == expected
    assert query(lake, "SELECT count(*) FROM quarantine").rows == [(0,)]
    types = {row[0]: row[1] for row in query(lake, "DESCRIBE consents").rows}
    assert types["recordings"] == "VARCHAR[]"
    assert types["revoked"] == "DATE"


def test_views_and_columns_carry_the_descriptions_and_units_of_the_schemas(lake: Lake) -> None:
    (about,) = query(lake, "SELECT comment FROM duckdb_views() WHERE view_name = 'turns'").rows[0]
    assert about == TABLES["turns"].metadata[b"description"].decode()
    assert comment(lake, "turns", "start") == "Start in the original recording [s]"


def test_comments_say_which_hours_to_quote(lake: Lake) -> None:
    assert "pauses and margins included" in comment(lake, "hours_by_dialect", "hours_kept")
    assert "hours_kept of hours_by_dialect" in comment(lake, "yield_by_reason", "hours")
    assert "more than seconds_spoken" in comment(lake, "speaker_summary", "seconds_kept")


def test_segments_show_what_the_corpus_decided(lake: Lake) -> None:
    rows = query(lake, "SELECT segment_id, speaker_id, split, decision, drop_reason FROM segments ORDER BY 1").rows
    assert rows == [
        ("s1", "spk-1", "train", "keep", None),
        ("s2", "spk-1", None, "drop", "duplicate_segment"),
        ("s3", "spk-1", None, "drop", "too_short"),
    ]


def test_summaries_count_hours(lake: Lake) -> None:
    columns = "dialect, recordings, hours_landed, hours_kept, segments, speakers, hours_train"
    rows = query(lake, f"SELECT {columns} FROM hours_by_dialect").rows
    assert rows == [("cmn", 1, 0.5, 0.0, 0, 0, 0.0), ("yue", 2, 2.0, 0.1, 1, 1, 0.1)]
    rows = query(lake, "SELECT stage, outcome, reason, recordings, hours, share FROM yield_by_reason").rows
    assert rows == [("score", "passed", "", 1, 0.75, 0.75), ("score", "dropped", "too_short", 1, 0.25, 0.25)]
    row = query(lake, "SELECT speaker_id, recordings, dialects, seconds_spoken, seconds_kept FROM speaker_summary").rows
    assert row == [("spk-1", 2, ["yue"], 1800.0, 360.0)]


def test_files_of_an_older_version_get_nulls_in_new_columns(lake: Lake) -> None:
    old = lake.read("segments", "b1").drop_columns(["audio_sha256", "tier"])
    lake.write("segments", "b1", iter([old]))
    assert query(lake, "SELECT count(*), count(tier), count(audio_sha256) FROM segments").rows == [(3, 0, 0)]


def test_a_renamed_column_is_shown_under_both_names_from_files_of_either_age(lake: Lake) -> None:
    both = "SELECT system, side FROM evaluation_summary ORDER BY 1"
    assert query(lake, both).rows == []
    rows = [{"dialect": "yue", "model_id": "m", "metric": "cer", "system": name} for name in ("base", "fine_tuned")]
    old = to_table("evaluation_summary", rows[:1])
    old = old.rename_columns(["side" if name == "system" else name for name in old.column_names])
    lake.write("evaluation_summary", "yue", iter([old]))
    assert query(lake, both).rows == [("base", "base")]
    lake.write("evaluation_summary", "cmn", rows[1:])
    assert query(lake, both).rows == [("base", "base"), ("fine_tuned", "fine_tuned")]
    noted = "SELECT comment FROM duckdb_columns() WHERE table_name = 'evaluation_summary' AND column_name = 'side'"
    assert query(lake, noted).rows == [("Renamed: ask for system. Shown until 0.3",)]


@pytest.mark.parametrize("sql", READING)
def test_everything_that_only_reads_is_answered(lake: Lake, sql: str) -> None:
    assert query(lake, sql).rows


@pytest.mark.parametrize("sql", WRITING)
def test_nothing_can_be_written(lake: Lake, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the lake nor in the folder where the command runs, by any statement or file that SQL can name."""
    monkeypatch.chdir(tmp_path)
    before = digest(tmp_path)
    segments = lake.path("segments", "b1")
    for file in (segments, Path("out.csv")) if "{file}" in sql else (segments,):
        with pytest.raises(CatalogError):
            query(lake, sql.format(file=str(file).replace("'", "''"), folder=str(lake.root).replace("'", "''")))
        assert digest(tmp_path) == before
    assert query(lake, "SELECT count(*) FROM segments").rows == [(3,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_blob('{secret}')",
        "SELECT * FROM sniff_csv('{secret}')",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM read_text('file://{secret}')",
        "SELECT * FROM read_text('http://127.0.0.1:9/secret.csv')",
        "SELECT * FROM read_csv('lake://../secret.csv')",
        "SELECT * FROM read_parquet('lake://segments/../../secret.parquet')",
        "SELECT * FROM read_parquet('lake://.parts/diarize/b1/x.parquet')",
        "SELECT * FROM read_parquet('lake://segments/linked.parquet')",
    ],
)
def test_no_file_but_the_tables_can_be_read(lake: Lake, sql: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    part = lake.root / ".parts/diarize/b1/x.parquet"
    part.parent.mkdir(parents=True)
    for copy in (part, tmp_path / "secret.parquet"):
        shutil.copy(lake.path("segments", "b1"), copy)
    if "linked" in sql:
        (lake.root / "segments/linked.parquet").symlink_to(tmp_path / "secret.parquet")
    with pytest.raises(CatalogError):
        query(lake, sql.format(secret=secret, folder=tmp_path))
    assert query(Lake(tmp_path), "SELECT * FROM read_text('lake://../secret.csv')").rows == []


def test_threads_that_share_a_file_each_read_where_they_sought(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(bytes(range(200)))
    file = SharedFile(path)
    file.seek(10)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(file.tell).result() == 0
        assert other.submit(file.seek, -5, 2).result() == 195
        assert file.read(3) == bytes([10, 11, 12])
        assert other.submit(file.read).result() == bytes(range(195, 200))
    assert file.read(2) == bytes([13, 14])
    assert file.seek(-1, 1) == 14
    file.close()
    file.close()


def test_a_query_that_many_threads_read_for_gives_the_same_rows_every_time(lake: Lake) -> None:
    for number in range(12):
        lake.write("segments", f"more{number}", [segment(f"m{number}-{row}", "r1") for row in range(60)])
    found = {
        query(lake, "SELECT count(*), sum(duration), min(text), count(characters) FROM segments").rows[0]
        for _ in range(4)
    }
    assert found == {(723, 723 * 360.0, "你好。", 723)}


def test_objects_of_the_program_are_no_tables(lake: Lake) -> None:
    with pytest.raises(CatalogError, match="statements does not exist"):
        query(lake, "SELECT * FROM statements")


def test_a_copied_workspace_answers_from_its_own_lake(lake: Lake, tmp_path: Path) -> None:
    copy = Lake(tmp_path / "copies" / "of [it]'s")
    shutil.copytree(lake.root, copy.root)
    copy.path("segments", "b1").unlink()
    copy.write("recordings", "b2", [recording("r9")])
    assert query(copy, "SELECT count(*) FROM segments").rows == [(0,)]
    assert query(copy, "SELECT count(*) FROM recordings").rows == [(4,)]
    assert query(copy, "SELECT lake FROM catalog_info").rows == [(str(copy.root.resolve()),)]
    assert query(lake, "SELECT count(*) FROM segments").rows == [(3,)]


def test_errors_help(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="fangyan run"):
        query(Lake(tmp_path / "none"), "SELECT 1")
    with pytest.raises(CatalogError, match=r"(?s)segmnts.*hours_by_dialect"):
        query(lake, "SELECT * FROM segmnts")
    with pytest.raises(CatalogError, match="speker"):
        query(lake, "SELECT speker FROM segments")
    with pytest.raises(CatalogError, match="syntax error"):
        query(lake, "SELEC 1")
    with pytest.raises(CatalogError, match=r"it writes nothing"):
        query(lake, "WITH made AS (COPY (SELECT 1) TO 'lake://segments/b1.parquet') SELECT 1")
    with pytest.raises(CatalogError) as raised:
        query(lake, "SELECT ('a' || chr(27) || '[2J')::INT")
    assert "\x1b" not in str(raised.value)


def comment(lake: Lake, view: str, column: str) -> str:
    where = f"table_name = '{view}' AND column_name = '{column}'"
    (text,) = query(lake, f"SELECT comment FROM duckdb_columns() WHERE {where}").rows[0]
    return text
