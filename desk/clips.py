"""Reads one segment's row or sound out of the Parquet files.

Holds the metadata of some files and the last clips, both bounded, so memory does not grow with the lake.
"""

from __future__ import annotations

import bisect
import itertools
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from desk.allowed import Stamp, stamp_of
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row, to_rows
from pipeline.lake.stored import stored_names, with_current_names
from pipeline.lake.tables import TABLES
from pipeline.settings import Settings

_MOST_COLUMN_CHUNKS = 60_000
"""Of the files whose metadata are held; some 1 kB each."""
_MOST_BYTES = 48_000_000
"""Of the clips that are held: a player asks for one several times."""
_BUFFER = 1 << 16


@dataclass(frozen=True)
class _Opened:
    stamp: Stamp
    metadata: pq.FileMetaData
    starts: list[int]
    """First row of each row group."""


class Clips:
    """Rows and sound of segments; safe for many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lake = Lake(settings.lake)
        self._lock = threading.Lock()
        self._opened: OrderedDict[tuple[str, str], _Opened] = OrderedDict()
        self._held: OrderedDict[tuple[Stamp, str], bytes] = OrderedDict()

    def sound(self, found: Row) -> bytes | None:
        """FLAC of a segment, by its row of the index; None if its row has none or is not there any more."""
        stamp = stamp_of(self._lake.path("segments", found["partition"]))
        key = stamp, found["segment_id"]
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        row = self._read("segments", found["partition"], found["file_row"], found["segment_id"], ["audio.bytes"])
        sound = row["audio"]["bytes"] if row and row["audio"] else None
        if sound is not None:
            self._hold(key, sound)
        return sound

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
        present = set(pq.read_schema(file).names)
        columns = [name for name in names if name in present]
        read = pq.read_table(file, columns=columns, filters=[("recording_id", "=", recording_id)], use_threads=False)
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
        key = table, partition
        with self._lock:
            held = self._opened.get(key)
            if held is not None and held.stamp == stamp:
                self._opened.move_to_end(key)
                return held
        metadata = pq.read_metadata(file)
        counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        opened = _Opened(stamp, metadata, [0, *itertools.accumulate(counts)][:-1])
        with self._lock:
            self._opened[key] = opened
            while len(self._opened) > 1 and self._chunks() > _MOST_COLUMN_CHUNKS:
                self._opened.popitem(last=False)
        return opened

    def _chunks(self) -> int:
        return sum(one.metadata.num_row_groups * one.metadata.num_columns for one in self._opened.values())

    def _hold(self, key: tuple[Stamp, str], sound: bytes) -> None:
        with self._lock:
            self._held[key] = sound
            while len(self._held) > 1 and sum(map(len, self._held.values())) > _MOST_BYTES:
                self._held.popitem(last=False)


def _row(file: Path, opened: _Opened, group: int, offset: int, columns: list[str]) -> pa.Table | None:
    """One row of a row group, read in small pieces and no further than it lies."""
    before = 0
    with pq.ParquetFile(file, metadata=opened.metadata, pre_buffer=False, buffer_size=_BUFFER) as content:
        for batch in content.iter_batches(1, [group], columns, use_threads=False):
            if before == offset:
                return pa.Table.from_batches([batch])
            before += len(batch)
    return None
