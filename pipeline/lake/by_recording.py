"""A table's rows by recording: a partition's file is opened once, and each of its row groups read about once."""

from __future__ import annotations

import itertools
from collections import OrderedDict, defaultdict
from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lake.lake import Lake, fitted
from pipeline.lake.storage import readable
from pipeline.lake.tables import TABLES

_HELD_BYTES = 64 << 20
"""Row groups that the next group of recordings may need again are held up to this size."""


class RowsByRecording:
    """One partition of a table. Where each recording's rows are is read once, the rows as they are asked for.

    Files of the lake are replaced and never changed, so the opened one stays what it was.
    """

    def __init__(self, lake: Lake, table: str, partition: str) -> None:
        self.reads = 0
        """Row groups read so far."""
        self._table = table
        self._held: OrderedDict[int, dict[str, pa.Table]] = OrderedDict()
        self._groups: dict[str, list[int]] = defaultdict(list)
        file = lake.path(table, partition)
        self._file = pq.ParquetFile(readable(file)) if file.exists() else None
        self.row_groups = self._file.num_row_groups if self._file else 0
        for group in range(self.row_groups):
            assert self._file is not None
            ids = self._file.read_row_group(group, columns=["recording_id"], use_threads=False)["recording_id"]
            for recording_id in ids.unique().to_pylist():
                self._groups[recording_id].append(group)

    def of(self, recording_ids: Collection[str]) -> dict[str, pa.Table]:
        """The rows of each of these recordings that has any, in the order of the file."""
        found: dict[str, list[pa.Table]] = defaultdict(list)
        for group in sorted({one for name in recording_ids for one in self._groups.get(name, ())}):
            rows = self._row_group(group)
            for name in recording_ids:
                if name in rows:
                    found[name].append(rows[name])
        return {name: pa.concat_tables(tables) for name, tables in found.items()}

    def close(self) -> None:
        """Let the file and what is held of it go."""
        self._held.clear()
        if self._file is not None:
            self._file.close()

    def _row_group(self, group: int) -> dict[str, pa.Table]:
        if group in self._held:
            self._held.move_to_end(group)
            return self._held[group]
        assert self._file is not None
        self.reads += 1
        content = self._file.read_row_group(group, use_threads=False)
        self._held[group] = split_by(fitted(content, self._table, TABLES[self._table]), "recording_id")
        while len(self._held) > 1 and sum(map(_size, self._held.values())) > _HELD_BYTES:
            self._held.popitem(last=False)
        return self._held[group]


def split_by(table: pa.Table, column: str) -> dict[str, pa.Table]:
    """Rows by the value of a column, in their order. Rows that lie one after another, as stages write them, are not
    copied."""
    values = table[column].to_pylist()
    runs: dict[Any, list[pa.Table]] = defaultdict(list)
    at = 0
    for value, run in itertools.groupby(values):
        count = sum(1 for _ in run)
        runs[value].append(table.slice(at, count))
        at += count
    return {value: pa.concat_tables(parts) if len(parts) > 1 else parts[0] for value, parts in runs.items()}


def _size(rows: dict[str, pa.Table]) -> int:
    return int(np.sum([table.nbytes for table in rows.values()], dtype=np.int64))
