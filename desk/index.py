"""Asks the desk's index (index_build.py), many threads at once, and keeps it as new as the lake.

While a new one is made the old one answers; what was withdrawn since is kept back by allowed.py.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from desk import index_build
from desk.allowed import Stamp
from pipeline.lake.lake import Lake
from pipeline.lake.lock import writing
from pipeline.lake.query import given_up_after
from pipeline.lake.rows import Row
from pipeline.settings import Settings

_CONFIGURATION: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "256MB",
    "threads": "2",
    "enable_external_access": "false",
    "lock_configuration": "true",
}
_SOUND = 'segment_id, recording_id, "start", "end", "partition", file_row, sound_begin, sound_end, sound_row'
_LOOK_SECONDS = 2.0
_SMALL_BYTES = 1_000_000_000
"""Of the files of segments: an index of less is made here and now, of more in a process of its own."""
_log = logging.getLogger("fangyan.desk")


class Index:
    """The newest index of a workspace."""

    def __init__(self, settings: Settings) -> None:
        self._lake = Lake(settings.lake)
        self._root = settings.root
        self._folder = settings.root / "cache" / "desk"
        self._lock = threading.Lock()
        self._building = threading.Lock()
        self._scanning = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._file: Path | None = None
        self._files: dict[str, Stamp] = {}
        self._looked = 0.0
        self.version = 0
        """Grows with each index that is taken up."""

    def ready(self, say: Callable[[str], None] = lambda words: None, apart: bool = False) -> None:
        """Have an index of the lake as it is now; returns when there is one. Raises OSError if it cannot be made.

        One of a large lake is made `apart`, in a process of its own. A takedown removes the index; one that was made
        while it works would hold what it takes, so this waits for its end.
        """
        with self._building:
            if self._current():
                return
            size = sum(self._lake.path("segments", name).stat().st_size for name in self._lake.partitions("segments"))
            if apart or size >= _SMALL_BYTES:
                say("making the desk's index; with a million segments this takes minutes, once")
                index_build.build_apart(self._root, self._lake, self._folder)
                self._take_newest()
                return
            with writing(self._root, lambda whom: say(f"a takedown ({whom}) is at work; waiting for it")):
                self._take(index_build.build(self._lake, self._folder))

    def rows(
        self, sql: str, parameters: Sequence[Any] | dict[str, Any] = (), within_seconds: float | None = None
    ) -> list[Row]:
        """Answer of a SELECT over the tables `segments`, `recordings`, `losses` and `withdrawn`.

        Raises duckdb.InterruptException when it takes longer than `within_seconds`.
        """
        cursor = self._cursor()
        with given_up_after(cursor, within_seconds):
            cursor.execute(sql, parameters)
            names = [column[0] for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def scan(self, sql: str, parameters: dict[str, Any], within_seconds: float | None = None) -> list[Row]:
        """`rows` of a statement that reads whole columns: one at a time, so that sound need not wait for many lists."""
        with self._scanning:
            return self.rows(sql, parameters, within_seconds)

    def columns(self) -> frozenset[str]:
        """Of its table `segments`."""
        return frozenset(row["column_name"] for row in self.rows("DESCRIBE segments"))

    def segment(self, segment_id: str) -> Row | None:
        """Its row, with `stamp` of the file of its partition when the index was made."""
        return self._segment("*", segment_id)

    def sound(self, segment_id: str) -> Row | None:
        """Of its row what says where its sound lies, with `stamp`."""
        return self._segment(_SOUND, segment_id)

    def _segment(self, columns: str, segment_id: str) -> Row | None:
        found = self.rows(f"SELECT {columns} FROM segments WHERE segment_id = ?", [segment_id])
        if not found:
            return None
        return found[0] | {"stamp": self._files.get(found[0]["partition"])}

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        now = time.monotonic()
        if self._connection is None:
            self.ready()
        elif now - self._looked > _LOOK_SECONDS:
            self._looked = now
            if not self._current() and not self._building.locked():
                threading.Thread(target=self._renew, name="desk index", daemon=True).start()
        with self._lock:
            assert self._connection is not None
            return self._connection.cursor()

    def _renew(self) -> None:
        try:
            # A thread that is inside DuckDB when the process ends would end it with an error.
            self.ready(apart=True)
        except (duckdb.Error, OSError):
            _log.exception("the desk's index could not be made anew; the old one answers")

    def _current(self) -> bool:
        """True if the index in use, or another on disk that is taken then, is of the lake as it is now."""
        stamps = set(index_build.stamps(self._lake))
        if self._connection is not None and self._file is not None and self._file.exists():
            return self._stamps(self._connection) == stamps
        for file in sorted(self._folder.glob("index-*.duckdb")):
            try:
                with _open(file) as found:
                    fits = self._stamps(found) == stamps
            except duckdb.Error:
                continue
            if fits:
                self._take(file)
                return True
        return False

    def _take_newest(self) -> None:
        files = sorted(self._folder.glob("index-*.duckdb"), key=lambda file: file.stat().st_mtime_ns)
        if not files:
            raise OSError(f"{self._folder}: the index that was just made is gone; something else removes files there")
        self._take(files[-1])

    def _take(self, file: Path) -> None:
        connection = _open(file)
        files = connection.execute("SELECT * FROM files").fetchall()
        folder = str(self._lake.root / "segments")
        of_segments = {Path(row[0]).stem: row for row in files if str(Path(row[0]).parent) == folder}
        with self._lock:
            # Whoever reads from the one before holds a cursor of it, which keeps it open.
            self._connection, self._file, self._files = connection, file, of_segments
            self.version += 1

    def _stamps(self, connection: duckdb.DuckDBPyConnection) -> set[tuple[Any, ...]]:
        cursor = connection.cursor()
        if cursor.execute("SELECT version FROM about").fetchone() != (index_build.VERSION,):
            return set()
        return set(cursor.execute("SELECT * FROM files").fetchall())


def _open(file: Path) -> duckdb.DuckDBPyConnection:
    """A file that is open already is shared inside a process, with the configuration of who opened it first."""
    return duckdb.connect(str(file), read_only=True, config=_CONFIGURATION)
