"""Reads one segment's row or sound out of the Parquet files.

Holds the metadata of some files and the last clips, both bounded, so memory does not grow with the lake.
"""

from __future__ import annotations

import bisect
import itertools
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from desk import stored_sound
from desk.allowed import Stamp, stamp_of
from desk.latest import Latest
from pipeline.lake.lake import Lake, rows_with
from pipeline.lake.rows import Row, to_rows
from pipeline.lake.storage import readable
from pipeline.lake.stored import stored_names, with_current_names
from pipeline.lake.tables import TABLES
from pipeline.settings import Settings

_MOST_COLUMN_CHUNKS = 30_000
"""Of the files whose metadata are held; some 1 kB each."""
_MOST_BYTES = 48_000_000
"""Of the clips that are held: a player asks for one several times."""
_BUFFER = 1 << 16


@dataclass(frozen=True)
class _Opened:
    metadata: pq.FileMetaData
    starts: list[int]
    """First row of each row group."""


class Clips:
    """Rows and sound of segments; safe for many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lake = Lake(settings.lake)
        self._opened: Latest[Stamp, _Opened] = Latest(_MOST_COLUMN_CHUNKS, _chunks)
        self._held: Latest[tuple[Stamp, str], bytes] = Latest(_MOST_BYTES, len)

    def sound(self, found: Row) -> bytes | None:
        """FLAC of a segment, by its row of the index; None if its row has none or is not there any more."""
        stamp = stamp_of(self._lake.path("segments", found["partition"]))
        key = stamp, found["segment_id"]
        held = self._held.get(key)
        if held is not None:
            return held
        sound = self._at_once(found, stamp)
        if sound is None:
            row = self._read("segments", found["partition"], found["file_row"], found["segment_id"], ["audio.bytes"])
            sound = row["audio"]["bytes"] if row and row["audio"] else None
        if sound is not None:
            self._held.put(key, sound)
        return sound

    def _at_once(self, found: Row, stamp: Stamp) -> bytes | None:
        """Sound by the place that the index knows; None where it does not, or the file is another by now."""
        if found["sound_begin"] is None or stamp != found["stamp"]:
            return None
        try:
            file = os.open(stamp[0], os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            about = os.fstat(file)
            if (about.st_ino, about.st_size, about.st_mtime_ns) != stamp[1:]:
                return None
            return stored_sound.read(file, found["sound_begin"], found["sound_end"], found["sound_row"])
        except (ValueError, IndexError, struct.error):
            return None
        finally:
            os.close(file)

    def row(self, found: Row) -> Row | None:
        """All columns of a segment but its sound; None if it is not there any more."""
        wanted = [name for name in TABLES["segments"].names if name not in ("audio", "segment_id")]
        names = stored_names("segments", wanted)
        return self._read("segments", found["partition"], found["file_row"], found["segment_id"], names)

    def rows_of(self, table: str, partition: str, recording_id: str) -> list[Row]:
        """The rows of one recording in a partition, without sound."""
        file = self._lake.path(table, partition)
        if not file.exists():
            return []
        names = [name for name in stored_names(table, TABLES[table].names) if name != "audio"]
        present = set(pq.read_schema(readable(file)).names)
        columns = [name for name in names if name in present]
        read = rows_with(file, "recording_id", recording_id, columns)
        return to_rows(with_current_names(read, table))

    def _read(self, table: str, partition: str, row: int, segment_id: str, names: list[str]) -> Row | None:
        file = self._lake.path(table, partition)
        try:
            opened = self._metadata(table, partition)
            if not 0 <= row < opened.metadata.num_rows:
                return None
            group = bisect.bisect_right(opened.starts, row) - 1
            present = {name.split(".")[0] for name in opened.metadata.schema.to_arrow_schema().names}
            columns = ["segment_id", *(name for name in names if name.split(".")[0] in present)]
            read = _row(file, opened, group, row - opened.starts[group], columns)
            one = None if read is None else to_rows(with_current_names(read, table))[0]
        except FileNotFoundError:
            return None
        # The file may have been replaced since the index was made.
        return one if one is not None and one["segment_id"] == segment_id else None

    def _metadata(self, table: str, partition: str) -> _Opened:
        file = self._lake.path(table, partition)
        stamp = stamp_of(file)
        held = self._opened.get(stamp)
        if held is not None:
            return held
        metadata = pq.read_metadata(readable(file))
        counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        opened = _Opened(metadata, [0, *itertools.accumulate(counts)][:-1])
        self._opened.put(stamp, opened)
        return opened


def _chunks(opened: _Opened) -> int:
    return opened.metadata.num_row_groups * opened.metadata.num_columns


def _row(file: Path, opened: _Opened, group: int, offset: int, columns: list[str]) -> pa.Table | None:
    """One row of a row group, read in small pieces and no further than it lies."""
    before = 0
    with pq.ParquetFile(readable(file), metadata=opened.metadata, pre_buffer=False, buffer_size=_BUFFER) as content:
        for batch in content.iter_batches(1, [group], columns, use_threads=False):
            if before == offset:
                return pa.Table.from_batches([batch])
            before += len(batch)
    return None
