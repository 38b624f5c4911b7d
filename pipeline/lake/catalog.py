"""The query database: DuckDB views over the lake's Parquet files, rebuilt beside the old one and swapped in.

It holds no data, so it is never out of date and never locked: views read the files that are there when asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline.lake.lake import Lake
from pipeline.lake.query_result import CatalogError, Result, as_text, render
from pipeline.lake.tables import TABLES

__all__ = ["CatalogError", "Result", "as_text", "build_catalog", "query", "render"]

_FROM_CORPUS = ("speaker_id", "split", "decision", "drop_reason")
_ABOUT = "catalog_info"

_SUMMARIES: dict[str, tuple[str, str, dict[str, str]]] = {
    "hours_by_dialect": (
        "What landed and what the corpus keeps of it, per dialect",
        """
        WITH landed AS (
            SELECT dialect, count(*) AS recordings, sum(duration) / 3600 AS hours_landed
            FROM recordings WHERE status = 'ok' GROUP BY dialect
        ), kept AS (
            SELECT dialect, count(*) AS segments, count(DISTINCT speaker_id) AS speakers, sum(duration) / 3600 AS hours,
                coalesce(sum(duration) FILTER (split = 'train'), 0) / 3600 AS hours_train,
                coalesce(sum(duration) FILTER (split = 'dev'), 0) / 3600 AS hours_dev,
                coalesce(sum(duration) FILTER (split = 'test'), 0) / 3600 AS hours_test,
                sum(dnsmos_ovrl * duration) / sum(duration) AS dnsmos_ovrl
            FROM segments WHERE decision = 'keep' GROUP BY dialect
        )
        SELECT dialect, coalesce(recordings, 0) AS recordings, coalesce(hours_landed, 0) AS hours_landed,
            coalesce(hours, 0) AS hours_kept, coalesce(segments, 0) AS segments, coalesce(speakers, 0) AS speakers,
            coalesce(hours_train, 0) AS hours_train, coalesce(hours_dev, 0) AS hours_dev,
            coalesce(hours_test, 0) AS hours_test, dnsmos_ovrl
        FROM landed FULL JOIN kept USING (dialect) ORDER BY dialect
        """,
        {
            "recordings": "Recordings that the line works on",
            "hours_landed": "Their length [h]",
            "hours_kept": "Length of the kept segments [h]",
            "dnsmos_ovrl": "Mean DNSMOS P.835 OVRL of the kept segments, weighted by length",
        },
    ),
    "yield_by_reason": (
        "Where the hours went, per stage: passed on, dropped or quarantined, and why",
        """
        WITH ways AS (
            SELECT stage, outcome, coalesce(reason, '') AS reason, count(DISTINCT source) AS recordings,
                sum(seconds) / 3600 AS hours
            FROM ledger GROUP BY stage, outcome, coalesce(reason, '')
        )
        SELECT *, hours / nullif(sum(hours) OVER (PARTITION BY stage), 0) AS share
        FROM ways
        ORDER BY list_position(['ingest', 'diarize', 'denoise', 'transcribe', 'align', 'score', 'corpus'], stage),
            outcome = 'passed' DESC, hours DESC
        """,
        {"hours": "Input of the stage that went this way [h]", "share": "Share of the stage's input"},
    ),
    "speaker_summary": (
        "One row per linked speaker",
        """
        WITH linked AS (
            SELECT speaker_id, count(DISTINCT recording_id) AS recordings,
                list_sort(list(DISTINCT dialect)) AS dialects, sum(seconds) AS seconds_spoken,
                min(similarity) AS least_similarity
            FROM speakers GROUP BY speaker_id
        ), kept AS (
            SELECT speaker_id, count(*) AS segments, sum(duration) AS seconds_kept, avg(dnsmos_ovrl) AS dnsmos_ovrl,
                avg(speaking_rate) AS speaking_rate, any_value(split) AS split
            FROM segments WHERE decision = 'keep' GROUP BY speaker_id
        )
        SELECT speaker_id, recordings, dialects, seconds_spoken, coalesce(segments, 0) AS segments,
            coalesce(seconds_kept, 0) AS seconds_kept, split, dnsmos_ovrl, speaking_rate, least_similarity
        FROM linked LEFT JOIN kept USING (speaker_id) ORDER BY seconds_spoken DESC, speaker_id
        """,
        {
            "seconds_spoken": "Speech that diarization found [s]",
            "seconds_kept": "Length of the kept segments [s]",
            "speaking_rate": "Mean spoken characters per second [1/s]",
            "least_similarity": "Cosine similarity of the local speaker farthest from the centroid",
        },
    ),
}


def build_catalog(lake: Lake, file: Path) -> None:
    """Write a catalog of `lake` to a temporary file beside `file`, then put it in its place in one step."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for stale in file.parent.glob(f".{file.name}.*.tmp*"):
        stale.unlink(missing_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with duckdb.connect(str(temporary)) as connection:
            connection.begin()
            _create_views(connection, lake)
            connection.commit()
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(file)
    finally:
        for leftover in file.parent.glob(f"{temporary.name}*"):
            leftover.unlink(missing_ok=True)


def query(file: Path, sql: str) -> Result:
    """Answer one SELECT (or DESCRIBE, SHOW, EXPLAIN) from the catalog.

    Nothing can be written and no file outside the lake be read. Raises CatalogError.
    """
    if not file.exists():
        raise CatalogError(f"{file}: no catalog yet; run `fangyan run` first, it builds one")
    _check_reads_only(sql)
    with _locked_down(file) as connection:
        try:
            cursor = connection.execute(sql)
            described = cursor.description or []
            columns = tuple(str(column[0]) for column in described)
            return Result(columns, tuple(str(column[1]) for column in described), cursor.fetchall())
        except duckdb.Error as error:
            raise CatalogError(_explain(connection, file, error)) from None


def _create_views(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    root = str(lake.root.resolve())
    for name in ("corpus", *(table for table in TABLES if table not in ("corpus", "segments")), "segments"):
        schema = TABLES[name]
        source = _source(connection, name, schema, lake)
        if name == "segments":
            chosen = ", ".join(
                f"coalesce(decided.{_quoted(column)}, scored.{_quoted(column)}) AS {_quoted(column)}"
                for column in _FROM_CORPUS
            )
            source = (
                f"SELECT scored.* REPLACE ({chosen}) FROM ({source}) AS scored "
                "LEFT JOIN corpus AS decided USING (segment_id)"
            )
        _view(connection, name, source, _note(schema.metadata), {f.name: _note(f.metadata) for f in schema})
    for name, (about, select, columns) in _SUMMARIES.items():
        _view(connection, name, select, about, columns)
    built = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    about = f"SELECT {_literal(root)} AS lake, {_literal(built)}::TIMESTAMP AS built_at"
    _view(connection, _ABOUT, about, "Where the lake is and when this catalog was built (UTC)", {})


def _source(connection: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema, lake: Lake) -> str:
    """A SELECT of the table's columns with their types, whether there are files or not."""
    connection.register("typed", schema.empty_table())
    types = {row[0]: row[1] for row in connection.execute("DESCRIBE typed").fetchall()}
    connection.unregister("typed")
    empty = ", ".join(f"NULL::{kind} AS {_quoted(column)}" for column, kind in types.items())
    empty = f"SELECT {empty} WHERE false"
    if not lake.partitions(name):
        return empty
    # Files of an older version may lack columns; the empty part in front gives each its place and type.
    pattern = f"{_escaped(str(lake.root.resolve()))}/{name}/*.parquet"
    columns = ", ".join(_quoted(column) for column in types)
    files = f"SELECT * FROM read_parquet({_literal(pattern)}, union_by_name = true, hive_partitioning = false)"
    return f"SELECT {columns} FROM ({empty} UNION ALL BY NAME {files})"


def _view(connection: duckdb.DuckDBPyConnection, name: str, select: str, about: str, columns: dict[str, str]) -> None:
    connection.execute(f"CREATE VIEW {_quoted(name)} AS {select}")
    connection.execute(f"COMMENT ON VIEW {_quoted(name)} IS {_literal(about)}")
    for column, words in columns.items():
        if words:
            connection.execute(f"COMMENT ON COLUMN {_quoted(name)}.{_quoted(column)} IS {_literal(words)}")


def _note(metadata: dict[bytes, bytes] | None) -> str:
    """Description and unit that a schema or field carries: `Length of the decoded audio [s]`."""
    notes = metadata or {}
    unit = notes.get(b"unit", b"").decode()
    return notes.get(b"description", b"").decode() + (f" [{unit}]" if unit else "")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _escaped(path: str) -> str:
    """A path that a glob takes at its word."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _check_reads_only(sql: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise CatalogError(str(error)) from None
    if len(statements) != 1:
        raise CatalogError(f"give one statement, not {len(statements)}")
    kind = statements[0].type
    if kind == duckdb.StatementType.EXPLAIN:
        words = sql.split(maxsplit=2)
        _check_reads_only(words[2] if words[1].upper() == "ANALYZE" else " ".join(words[1:]))
    elif kind != duckdb.StatementType.SELECT:
        raise CatalogError(f"the catalog answers SELECT, DESCRIBE, SHOW and EXPLAIN, not {kind.name}")


@contextmanager
def _locked_down(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private in-memory database with the catalog attached read-only, and no way out but to the lake's files."""
    connection = duckdb.connect(":memory:")
    try:
        try:
            connection.execute(f"ATTACH {_literal(str(file))} AS catalog (READ_ONLY)")
            connection.execute("USE catalog")
            found = connection.execute(f"SELECT lake FROM {_ABOUT}").fetchone()
        except duckdb.Error as error:
            raise CatalogError(f"{file} is not a catalog of this version ({error}); run `fangyan run`") from None
        assert found is not None
        roots = ", ".join(_literal(f"{root}/") for root in {found[0], _escaped(found[0])})
        for setting in (
            f"allowed_directories = [{roots}]",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            connection.execute(f"SET {setting}")
        yield connection
    finally:
        connection.close()


def _explain(connection: duckdb.DuckDBPyConnection, file: Path, error: duckdb.Error) -> str:
    if isinstance(error, duckdb.CatalogException):
        views = [
            row[0] for row in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
        ]
        return f"{error}\nThe catalog has: {', '.join(sorted(views))}"
    if isinstance(error, duckdb.IOException):
        return f"{error}\nIf the lake was moved or emptied, run `fangyan run`: it builds {file} anew"
    return str(error)
