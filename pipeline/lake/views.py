"""The views over the lake's tables and their summaries, with comments, as SQL that DuckDB 1.1 and later understand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from pipeline import stage_list
from pipeline.lake.lake import Lake
from pipeline.lake.stored import maps_of, stored_name
from pipeline.lake.summaries.questions import SUMMARIES
from pipeline.lake.tables import RENAMED, TABLES

ABOUT = "catalog_info"

_FROM_IDENTIFIER = ("dialect_heard", "dialect_probability", "dialect_spans", "review_reason")
_FROM_CORPUS = ("speaker_id", "split", "decision", "drop_reason")


def view_names() -> tuple[str, ...]:
    """Of all views, those of tables that were added to TABLES since among them."""
    return (*TABLES, *(summary.name for summary in SUMMARIES), ABOUT)


def create_views(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    pattern_of: Callable[[str], str],
    build: str = "",
    only_if: str = "",
    names: Iterable[str] | None = None,
) -> None:
    """Views named as the tables, and the summaries, in the connection's current database: those of `names` (all), and
    what they read.

    `pattern_of` gives the pattern of a table's files as DuckDB is to open them; `build` names this set of views in
    catalog_info; `only_if` is a condition that every table's view holds.
    """
    wanted = _with_sources(view_names() if names is None else names)
    for name in ("corpus", *(table for table in TABLES if table not in ("corpus", "segments")), "segments"):
        if name not in wanted:
            continue
        schema = TABLES[name]
        renamed = RENAMED.get(name, {})
        source = _source(connection, schema, pattern_of(name) if lake.partitions(name) else "", only_if, renamed)
        if name == "segments":
            chosen = ", ".join(
                f"coalesce(decided.{quoted(column)}, scored.{quoted(column)}) AS {quoted(column)}"
                for column in _FROM_CORPUS
            )
            source = (
                f"SELECT scored.* REPLACE ({chosen}), {', '.join(f'heard.{name}' for name in _FROM_IDENTIFIER)} "
                f"FROM ({source}) AS scored LEFT JOIN corpus AS decided USING (segment_id) "
                "LEFT JOIN segment_dialects AS heard USING (segment_id)"
            )
            schema = pa.unify_schemas(
                [schema, pa.schema([TABLES["segment_dialects"].field(each) for each in _FROM_IDENTIFIER])]
            )
        columns = {field.name: _note(field.metadata) for field in schema}
        columns |= {before: f"Renamed: ask for {now}. Shown until 0.3" for before, now in renamed.items()}
        _view(connection, name, source, _note(TABLES[name].metadata), columns)
    stages = "[" + ", ".join(literal(name) for name in (*stage_list.names(), "corpus")) + "]"
    for summary in SUMMARIES:
        if summary.name in wanted:
            select = summary.select.replace("{stages}", stages)
            _view(connection, summary.name, select, summary.question, summary.columns)
    built = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    where = literal(str(lake.root.resolve()))
    about = f"SELECT {where} AS lake, {literal(built)}::TIMESTAMP AS built_at, {literal(build)} AS build"
    _view(connection, ABOUT, about, "Where the lake is and when these views were made (UTC)", {})


def _with_sources(names: Iterable[str]) -> set[str]:
    """The views of these names, and all that they read."""
    selects = {summary.name: summary.select for summary in SUMMARIES}
    selects["segments"] = "corpus segment_dialects"
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            words = set(re.findall(r"\w+", selects.get(name, "")))
            waiting += [view for view in view_names() if view in words]
    return found


def quoted(name: str) -> str:
    """A name as SQL writes it, whatever letters it has."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string as SQL writes it, whatever letters it has."""
    return "'" + text.replace("'", "''") + "'"


def _source(
    connection: duckdb.DuckDBPyConnection, schema: pa.Schema, pattern: str, only_if: str, renamed: Mapping[str, str]
) -> str:
    """A SELECT of the table's columns with their types, whether there are files or not (`pattern` is empty).

    A column that was `renamed` (its name before to its name now) stands there under both, from files of either age.
    """
    connection.register("typed", schema.empty_table())
    types = {row[0]: row[1] for row in connection.execute("DESCRIBE typed").fetchall()}
    connection.unregister("typed")
    types |= {before: types[now] for before, now in renamed.items()}
    maps = maps_of(schema)
    shown = list(types)
    types |= {stored_name(name): "VARCHAR" for name in maps}
    nulls = {column: f"NULL::{kind} AS {quoted(column)}" for column, kind in types.items()}
    if not pattern:
        # `WHERE false AND ...` would not look at the condition.
        return f"SELECT {', '.join(nulls[column] for column in shown)} WHERE NOT ({only_if or 'true'})"
    empty = "SELECT " + ", ".join(nulls.values())
    # Files of an older version may lack columns; the empty part in front gives each its place and type.
    files = f"SELECT * FROM read_parquet({literal(pattern)}, union_by_name = true, hive_partitioning = false)"
    either = {
        name: f"coalesce({quoted(now)}, {quoted(before)})" for before, now in renamed.items() for name in (before, now)
    }
    # Days were texts once.
    either |= {name: f"CAST({quoted(name)} AS {kind})" for name, kind in types.items() if kind == "DATE"}
    # A map is the text of a JSON object in the files, and a map in old ones.
    for name in maps:
        text = f"CAST({quoted(stored_name(name))} AS JSON)"
        either[name] = f"coalesce({quoted(name)}, CAST({text} AS {types[name]}))"
    columns = ", ".join(f"{either.get(column, quoted(column))} AS {quoted(column)}" for column in shown)
    return f"SELECT {columns} FROM ({empty} WHERE false UNION ALL BY NAME {files}) WHERE {only_if or 'true'}"


def _view(connection: duckdb.DuckDBPyConnection, name: str, select: str, about: str, columns: dict[str, str]) -> None:
    connection.execute(f"CREATE VIEW {quoted(name)} AS {select}")
    connection.execute(f"COMMENT ON VIEW {quoted(name)} IS {literal(about)}")
    for column, words in columns.items():
        if words:
            connection.execute(f"COMMENT ON COLUMN {quoted(name)}.{quoted(column)} IS {literal(words)}")


def _note(metadata: dict[bytes, bytes] | None) -> str:
    """Description and unit that a schema or field carries: `Length of the decoded audio [s]`."""
    notes = metadata or {}
    unit = notes.get(b"unit", b"").decode()
    return notes.get(b"description", b"").decode() + (f" [{unit}]" if unit else "")
