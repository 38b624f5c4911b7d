"""Answers one SQL statement from a lake. Nothing can be written, and nothing but the lake's tables be read."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import duckdb

from pipeline.lake.lake import Lake
from pipeline.lake.query_result import CatalogError, Result
from pipeline.lake.read_only import SCHEME, ReadOnlyLake
from pipeline.lake.rows import Row
from pipeline.lake.views import create_views, literal, view_names
from pipeline.text.printable import printable

_FETCHED = 5_000
# A PIVOT is MULTI: it finds its columns by a statement of its own.
_READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI)


def query(lake: Lake, sql: str, within_seconds: float | None = None, memory: str | None = None) -> Result:
    """Answer one SELECT, FROM, WITH, PIVOT, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN from the tables and summaries.

    It is given up after `within_seconds`, and keeps to `memory` (`512MB`; more goes to a temporary file).

    Raises CatalogError. The statement's kind is looked at for the sake of the message; what keeps files safe is that
    the database has no way to them but `ReadOnlyLake` (a COPY inside a WITH is a SELECT to DuckDB).
    """
    if not lake.root.is_dir():
        raise CatalogError(f"{lake.root}: no lake yet; run `fangyan run` first, it makes one")
    _check_kind(sql)
    try:
        with _confined(lake, memory, _views_of(sql)) as connection, given_up_after(connection, within_seconds):
            cursor = connection.execute(sql)
            described = cursor.description or []
            columns = tuple(str(column[0]) for column in described)
            return Result(columns, tuple(str(column[1]) for column in described), cursor.fetchall())
    except duckdb.InterruptException:
        raise CatalogError(f"it took longer than {within_seconds:.0f} s and was given up; ask for less") from None
    except (duckdb.Error, ValueError) as error:
        raise CatalogError(printable(_explain(error))) from None


def each_row(lake: Lake, sql: str, memory: str | None = None) -> Iterator[Row]:
    """The rows of a statement of ours as dictionaries, a few thousand in memory at a time. Raises CatalogError.

    DuckDB keeps to `memory` (`2GB`); more goes to a temporary file.
    """
    if not lake.root.is_dir():
        raise CatalogError(f"{lake.root}: no lake yet; run `fangyan run` first, it makes one")
    try:
        with _confined(lake, memory, _views_of(sql)) as connection:
            cursor = connection.execute(sql)
            columns = [str(column[0]) for column in cursor.description or []]
            while rows := cursor.fetchmany(_FETCHED):
                yield from (dict(zip(columns, row, strict=True)) for row in rows)
    except duckdb.Error as error:
        raise CatalogError(printable(_explain(error))) from None


def _check_kind(sql: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except (duckdb.Error, ValueError) as error:
        raise CatalogError(str(error)) from None
    if len(statements) != 1:
        raise CatalogError(f"give one statement, not {len(statements)}")
    if (kind := statements[0].type) not in _READING:
        raise CatalogError(f"only what reads is answered (SELECT, DESCRIBE, SHOW, EXPLAIN ...), not {kind.name}")


def _views_of(sql: str) -> Iterable[str]:
    """The views that a statement may mean; all of them where it may ask for what there is."""
    words = set(re.findall(r"\w+", sql.lower()))
    named = words & set(view_names())
    asks = words & {"show", "information_schema"} or any(word.startswith(("duckdb_", "pg_")) for word in words)
    return view_names() if asks or not named else named


@contextmanager
def given_up_after(connection: duckdb.DuckDBPyConnection, seconds: float | None) -> Iterator[None]:
    """What the connection is asked inside is interrupted after `seconds` (None: never)."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _confined(lake: Lake, memory: str | None, names: Iterable[str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory with the views of `lake`, which opens no file but the lake's, and those for reading."""
    files = ReadOnlyLake(lake)
    with tempfile.TemporaryDirectory(prefix="fangyan-sql-") as spill, duckdb.connect(":memory:") as connection:
        connection.register_filesystem(files)
        connection.begin()
        create_views(connection, lake, lambda table: f"{SCHEME}://{table}/*.parquet", names=names)
        connection.commit()
        for setting in (
            f"temp_directory = {literal(spill)}",
            *([f"memory_limit = {literal(memory)}"] if memory else []),
            f"allowed_directories = ['{SCHEME}://']",
            "python_enable_replacements = false",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            connection.execute(f"SET {setting}")
        yield connection


def _explain(error: Exception) -> str:
    if isinstance(error, duckdb.CatalogException):
        return f"{error}\nThere are: {', '.join(sorted(view_names()))}"
    if isinstance(error, duckdb.PermissionException) or "PermissionError" in str(error):
        words = str(error).strip().splitlines()[-1]
        return f"{words}\nA query reads the tables of the lake; it writes nothing and reads no other file"
    return str(error)
