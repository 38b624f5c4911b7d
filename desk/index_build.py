"""Builds the desk's index: what lists and figures need of each segment, sorted by its id, and where its row lies.

It lies below `cache/`, which a takedown removes whole, and holds nothing that cannot be read from the lake again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import duckdb

from desk.allowed import Stamp, stamp_of
from pipeline.lake.lake import Lake
from pipeline.lake.views import create_views, literal

TABLES = ("segments", "corpus", "segment_dialects", "recordings", "ledger", "speakers", "tombstones")
"""Of the lake, what the index is made of: when one of their files changes it is made anew."""
VERSION = "1"
_MEMORY = "1GB"
_SEGMENTS = """
    SELECT row_number() OVER () - 1 AS place, * FROM (
        SELECT s.segment_id, s.recording_id, places.partition, places.file_row, s.dialect, s.collection, s.source,
            s.speaker_id, s.local_speaker, s.start, s."end", s.duration, s.text, s.text_normalized, s.text_source,
            s.confidence, s.agreement, s.align_score, s.dnsmos_ovrl, s.snr_db, s.speaking_rate, s.text_disagreement,
            s.overlap_share, s.tier, s.split, s.decision, s.drop_reason, s.dialect_heard, s.dialect_probability,
            s.review_reason, s.denoised, s.consent_id, s.landed_at, s.scored_at
        FROM segments AS s JOIN places USING (segment_id)
        ORDER BY s.segment_id
    )
"""
_PLACES = """
    SELECT segment_id, parse_filename(filename, true) AS partition, file_row_number::INTEGER AS file_row
    FROM read_parquet({files}, filename = true, file_row_number = true, hive_partitioning = false)
"""
_NO_PLACES = "SELECT NULL::VARCHAR AS segment_id, NULL::VARCHAR AS partition, NULL::INTEGER AS file_row WHERE false"


def stamps(lake: Lake) -> tuple[Stamp, ...]:
    """Of all files that the index is made of."""
    return tuple(stamp_of(lake.path(table, partition)) for table in TABLES for partition in lake.partitions(table))


def build(lake: Lake, folder: Path, say: Callable[[str], None] = lambda words: None) -> Path:
    """Write an index of `lake` into `folder`, under a name of its own; older ones are removed. Returns its file."""
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"index-{uuid4().hex[:12]}.duckdb"
    temporary = made.with_suffix(".tmp")
    before = stamps(lake)
    try:
        with tempfile.TemporaryDirectory(dir=folder) as spill, duckdb.connect(":memory:") as connection:
            connection.execute(f"SET memory_limit = {literal(_MEMORY)}; SET temp_directory = {literal(spill)}")
            connection.execute(f"SET threads = 2; ATTACH {literal(str(temporary))} AS made")
            create_views(connection, lake, lambda table: f"{_escaped(str(lake.root.resolve()))}/{table}/*.parquet")
            _fill(connection, lake, before)
            connection.execute("DETACH made")
        temporary.replace(made)
    finally:
        temporary.unlink(missing_ok=True)
        temporary.with_name(f"{temporary.name}.wal").unlink(missing_ok=True)
    for older in folder.glob("index-*.duckdb"):
        if older != made:
            older.unlink(missing_ok=True)
    say(f"index of {made} built")
    return made


def _fill(connection: duckdb.DuckDBPyConnection, lake: Lake, before: tuple[Stamp, ...]) -> None:
    partitions = lake.partitions("segments")
    files = "[" + ", ".join(literal(str(lake.path("segments", name))) for name in partitions) + "]"
    places = _PLACES.replace("{files}", files) if partitions else _NO_PLACES
    connection.execute(f"CREATE TEMP VIEW places AS {places}")
    connection.execute(f"CREATE TABLE made.segments AS {_SEGMENTS}")
    connection.execute("CREATE TABLE made.losses AS SELECT * FROM yield_by_reason")
    connection.execute(
        "CREATE TABLE made.recordings AS SELECT recording_id, source, batch, dialect, collection, status, duration, "
        "landed_at, ingested_at FROM recordings"
    )
    connection.execute("CREATE TABLE made.withdrawn AS SELECT DISTINCT recording_id FROM tombstones")
    connection.execute("CREATE TABLE made.files (file VARCHAR, inode BIGINT, size BIGINT, mtime_ns BIGINT)")
    if before:
        connection.executemany("INSERT INTO made.files VALUES (?, ?, ?, ?)", before)
    connection.execute(f"CREATE TABLE made.about AS SELECT {literal(VERSION)} AS version")


def _escaped(path: str) -> str:
    """A path that a glob takes at its word."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)
