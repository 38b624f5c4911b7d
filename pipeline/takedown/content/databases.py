"""SQLite and DuckDB files: every row of every table is searched. One with a withdrawn row goes whole, for a deleted
row stays readable in the file's free pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.takedown.content.outcome import Outcome, Unsearchable
from pipeline.takedown.content.tables import judge
from pipeline.takedown.content.terms import Terms

Sound = Callable[[bytes], bool]
_ROWS = 1_000


def search_sqlite(file: BinaryIO, path: Path | None, terms: Terms, is_withdrawn: Sound) -> Outcome | None:
    """`file` if a row is withdrawn. Raises Unsearchable."""
    try:
        if path is None:
            connection = sqlite3.connect(":memory:")
            connection.deserialize(file.read())
        else:
            connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            rows = (row for name in names for row in connection.execute(f"SELECT * FROM {_quoted(name)}"))
            return _search(rows, terms, is_withdrawn)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise Unsearchable(f"cannot be read as SQLite: {error}") from None


def search_duckdb(path: Path | None, terms: Terms, is_withdrawn: Sound) -> Outcome | None:
    """`file` if a row of a table is withdrawn; views hold nothing of their own. Raises Unsearchable."""
    import duckdb

    if path is None:
        raise Unsearchable("is a DuckDB file inside of an archive")
    try:
        with duckdb.connect(str(path), read_only=True, config={"enable_external_access": "false"}) as connection:
            tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
            rows = (
                row
                for schema, name in tables
                for row in _fetched(connection.execute(f"SELECT * FROM {_quoted(schema)}.{_quoted(name)}"))
            )
            return _search(rows, terms, is_withdrawn)
    except duckdb.Error as error:
        raise Unsearchable(f"cannot be read as DuckDB: {str(error)[:200]}") from None


def _search(rows: Iterator[Any], terms: Terms, is_withdrawn: Sound) -> Outcome | None:
    return Outcome("file") if any(judge(list(row), terms, is_withdrawn) == "holds" for row in rows) else None


def _fetched(result: Any) -> Iterator[Any]:
    while rows := result.fetchmany(_ROWS):
        yield from rows


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
