"""What a stage reads of a group of recordings: each table's file is opened once, its rows read once a group."""

from __future__ import annotations

from pipeline import stage_list
from pipeline.engine.engine import Group
from pipeline.lake.by_recording import RowsByRecording
from pipeline.lake.lake import Lake
from pipeline.lake.rows import to_rows
from pipeline.stage import GroupRows, Stage


class Upstream:
    """Called with a group; tables that no stage writes are read once, now, and given whole."""

    def __init__(self, stage: Stage, lake: Lake, batch: str) -> None:
        self._whole = {table: {"": lake.rows(table)} for table in stage.reads if stage_list.writer_of(table) is None}
        self._lake, self._batch = lake, batch
        self._tables = [table for table in stage.reads if table not in self._whole]
        self._opened: dict[str, RowsByRecording] = {}

    def __call__(self, group: Group) -> GroupRows:
        ids = [recording.recording_id for recording in group.recordings]
        own = {
            table: {name: to_rows(rows) for name, rows in self._reader(table).of(ids).items()} for table in self._tables
        }
        return self._whole | own

    @property
    def reads(self) -> int:
        """Row groups read so far, of all tables."""
        return sum(reader.reads for reader in self._opened.values())

    def close(self) -> None:
        """Let the files go."""
        for reader in self._opened.values():
            reader.close()

    def _reader(self, table: str) -> RowsByRecording:
        if table not in self._opened:
            self._opened[table] = RowsByRecording(self._lake, table, self._batch)
        return self._opened[table]
