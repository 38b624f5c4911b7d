"""Which recordings may be shown and played at this moment, as consents and tombstones say."""

from __future__ import annotations

import os
import threading
from datetime import date
from pathlib import Path

from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.rights import tombstones
from pipeline.rights.consents import CONSENTS_FILE
from pipeline.rights.current import CurrentRights
from pipeline.settings import Settings

_COLUMNS = (
    *("source", "recording_id", "batch", "dialect", "collection", "status", "duration", "sample_rate", "channels"),
    *("file_sha256", "audio_sha256", "decoding", "consent_id", "metadata", "landed_at"),
)

Stamp = tuple[str, int, int, int]


class Allowed:
    """Asked at each request; reads consents, tombstones and recordings again when one of their files has changed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lake = Lake(settings.lake)
        self._lock = threading.Lock()
        self._stamp: object = None
        self._rows: dict[str, Row] = {}
        self._in_part: frozenset[str] = frozenset()
        self.version = 0
        """Grows with each change."""

    def has(self, recording_id: str) -> bool:
        """True if a consent covers it today and it was not withdrawn."""
        self._refresh()
        return recording_id in self._rows

    def ids(self) -> set[str]:
        self._refresh()
        return set(self._rows)

    def recording(self, recording_id: str) -> Row | None:
        """The row of table recordings of one that may be shown."""
        self._refresh()
        return self._rows.get(recording_id)

    def in_part(self, recording_id: str) -> bool:
        """True if some of its speakers were withdrawn: no more of it may be played than its turns."""
        self._refresh()
        return recording_id in self._in_part

    def _refresh(self) -> None:
        # Whoever asks while it is read again waits: nobody is answered by the rights of before.
        with self._lock:
            stamp = self._now()
            if stamp == self._stamp:
                return
            rights = CurrentRights.read(self._settings)
            recordings = [row for row in self._lake.rows("recordings", None, _COLUMNS) if row["status"] == "ok"]
            self._rows = {row["recording_id"]: row for row in recordings if rights.refusal(row) is None}
            self._in_part = frozenset(
                row["recording_id"]
                for row in self._rows.values()
                if {row["file_sha256"], row["audio_sha256"]} & rights.in_part
            )
            self._stamp = stamp
            self.version += 1

    def _now(self) -> object:
        files = [self._settings.landing / CONSENTS_FILE]
        for table in (tombstones.TABLE, "recordings"):
            files += [self._lake.path(table, partition) for partition in self._lake.partitions(table)]
        return date.today(), tuple(stamp_of(file) for file in files)


def stamp_of(file: Path) -> Stamp:
    """What changes when another file takes the place of this one; zeros where there is none."""
    try:
        about = os.stat(file)
    except FileNotFoundError:
        return str(file), 0, 0, 0
    return str(file), about.st_ino, about.st_size, about.st_mtime_ns
