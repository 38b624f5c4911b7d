"""The views over the lake's tables and their summaries, with comments, as SQL that DuckDB 1.1 and later understand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from pipeline import stage_list
from pipeline.lake.lake import Lake
from pipeline.lake.stored import maps_of, stored_name
from pipeline.lake.tables import RENAMED, TABLES

ABOUT = "catalog_info"

_FROM_IDENTIFIER = ("dialect_heard", "dialect_probability", "dialect_spans", "review_reason")
_FROM_CORPUS = ("speaker_id", "split", "decision", "drop_reason")

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
            "recordings": "Recordings that the pipeline works on",
            "hours_landed": "Their length [h]",
            "hours_kept": "Length of the kept segments as they are played, pauses and margins included: the size of "
            "the corpus to quote. yield_by_reason counts speech alone and is smaller [h]",
            "hours_train": "The part of hours_kept that is for training [h]",
            "hours_dev": "The part of hours_kept that is for development [h]",
            "hours_test": "The part of hours_kept that is for testing [h]",
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
        ORDER BY list_position({stages}, stage),
            outcome = 'passed' DESC, hours DESC
        """,
        {
            "hours": "Input of the stage that went this way, without the pauses and margins that segments keep: for "
            "losses. Quote hours_kept of hours_by_dialect as the corpus's size [h]",
            "share": "Share of the stage's input",
        },
    ),
    "dialect_mismatches": (
        "Kept segments in which another dialect is heard than the folder's, in all or in a part of it; to be reviewed",
        """
        SELECT s.segment_id, s.recording_id, r.source, s.dialect, s.dialect_heard, s.dialect_probability,
            h.expected_probability, s.review_reason, s.dialect_spans, s.start, s."end", s.speaker_id, s.text
        FROM segments AS s JOIN segment_dialects AS h USING (segment_id)
        LEFT JOIN (SELECT recording_id, min(source) AS source FROM recordings WHERE status = 'ok' GROUP BY recording_id)
            AS r ON r.recording_id = s.recording_id
        WHERE s.decision = 'keep' AND s.review_reason IS NOT NULL
        ORDER BY s.review_reason DESC, s.dialect_probability DESC, s.segment_id
        """,
        {
            "dialect": "Of the folder; the corpus goes by it",
            "dialect_heard": "What the identifier of [dialect] hears",
            "review_reason": "dialect_mismatch: in the whole segment; dialect_changes: in the spans that say so",
        },
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
            "seconds_kept": "Length of the kept segments as they are played, pauses and margins included: may be more "
            "than seconds_spoken [s]",
            "speaking_rate": "Mean spoken characters per second [1/s]",
            "least_similarity": "Cosine similarity of the local speaker farthest from the centroid",
        },
    ),
}

VIEWS = (*TABLES, *_SUMMARIES, ABOUT)
"""Names of all views."""


def create_views(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    pattern_of: Callable[[str], str],
    build: str = "",
    only_if: str = "",
) -> None:
    """Views named as the tables, and the summaries, in the connection's current database.

    `pattern_of` gives the pattern of a table's files as DuckDB is to open them; `build` names this set of views in
    catalog_info; `only_if` is a condition that every table's view holds.
    """
    for name in ("corpus", *(table for table in TABLES if table not in ("corpus", "segments")), "segments"):
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
    for name, (about, select, columns) in _SUMMARIES.items():
        _view(connection, name, select.replace("{stages}", stages), about, columns)
    built = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    where = literal(str(lake.root.resolve()))
    about = f"SELECT {where} AS lake, {literal(built)}::TIMESTAMP AS built_at, {literal(build)} AS build"
    _view(connection, ABOUT, about, "Where the lake is and when these views were made (UTC)", {})


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
