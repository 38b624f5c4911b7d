"""Builds the desk's index: what lists and figures need of each segment, sorted by its id, and where its row lies.

It lies below `cache/`, which a takedown removes whole, and holds nothing that cannot be read from the lake again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from desk import stored_sound
from desk.allowed import Stamp, stamp_of
from pipeline.lake.lake import Lake
from pipeline.lake.lock import writing
from pipeline.lake.storage import readable
from pipeline.lake.views import create_views, literal
from pipeline.project import PACKAGES

TABLES = ("segments", "corpus", "segment_dialects", "recordings", "ledger", "speakers", "tombstones")
"""Of the lake, what the index is made of: when one of their files changes it is made anew."""
VERSION = "3"
_MEMORY = "1GB"
LEFT_OUT = (
    *("turn_id", "covered_seconds", "romanization", "characters", "metadata", "audio", "audio_sha256", "provenance"),
    *("given_text", "gloss", "ipa", "remarks", "dialect_spans"),
)
"""Columns of the view segments that are long and asked for one segment at a time."""
_SEGMENTS = f"""
    SELECT row_number() OVER () - 1 AS ordinal, * FROM (
        SELECT s.* EXCLUDE ({", ".join(LEFT_OUT)}), places.partition, places.file_row,
            chunks.begin AS sound_begin, chunks."end" AS sound_end, places.file_row - chunks.first_row AS sound_row
        FROM segments AS s JOIN places USING (segment_id)
        ASOF JOIN chunks ON places.partition = chunks.partition AND places.file_row >= chunks.first_row
        ORDER BY s.segment_id
    )
"""
_PLACES = """
    SELECT segment_id, parse_filename(filename, true) AS partition, file_row_number::INTEGER AS file_row
    FROM read_parquet({files}, filename = true, file_row_number = true, hive_partitioning = false)
"""
_CHUNKS = pa.schema(
    [("partition", pa.string()), *((name, pa.int64()) for name in ("first_row", "rows", "begin", "end"))]
)
_NO_PLACES = "SELECT NULL::VARCHAR AS segment_id, NULL::VARCHAR AS partition, NULL::INTEGER AS file_row WHERE false"


def stamps(lake: Lake) -> tuple[Stamp, ...]:
    """Of all files that the index is made of."""
    return tuple(stamp_of(lake.path(table, partition)) for table in TABLES for partition in lake.partitions(table))


def build(lake: Lake, folder: Path) -> Path:
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
    return made


def build_apart(workspace: Path, lake: Lake, folder: Path) -> None:
    """`build` in a process of its own: reading the heads of many files takes memory that a server would keep.

    It keeps takedowns waiting itself, also when the process that asked for it is gone.
    Raises OSError with what it said if it failed.
    """
    command = [sys.executable, "-m", __name__, str(workspace), str(lake.root), str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PACKAGES), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"the desk's index of {lake.root} could not be made: {done.stderr.strip()[-2000:]}")


def _fill(connection: duckdb.DuckDBPyConnection, lake: Lake, before: tuple[Stamp, ...]) -> None:
    partitions = lake.partitions("segments")
    files = "[" + ", ".join(literal(str(lake.path("segments", name))) for name in partitions) + "]"
    places = _PLACES.replace("{files}", files) if partitions else _NO_PLACES
    connection.execute(f"CREATE TEMP VIEW places AS {places}")
    connection.register("chunks", _chunks(lake, partitions))
    connection.execute(f"CREATE TABLE made.segments AS {_SEGMENTS}")
    connection.execute("CREATE UNIQUE INDEX by_id ON made.segments (segment_id)")
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


def _chunks(lake: Lake, partitions: list[str]) -> pa.Table:
    """Where the sound of each row group lies."""
    columns: dict[str, list[Any]] = {name: [] for name in _CHUNKS.names}
    for name in partitions:
        for chunk in stored_sound.chunks(pq.read_metadata(readable(lake.path("segments", name)))):
            for column, value in (("partition", name), *vars(chunk).items()):
                columns[column].append(value)
    return pa.table(columns, schema=_CHUNKS)


def _escaped(path: str) -> str:
    """A path that a glob takes at its word."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


if __name__ == "__main__":
    with writing(Path(sys.argv[1])):
        build(Lake(Path(sys.argv[2])), Path(sys.argv[3]))
