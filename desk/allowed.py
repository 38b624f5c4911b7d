"""Which recordings may be shown and played at this moment, as consents and tombstones say."""

from __future__ import annotations

import os
import threading
import time
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

_LOOK_SECONDS = 2.0

Stamp = tuple[str, int, int, int]


class Allowed:
    """Asked at each request; reads consents, tombstones and recordings again when one of their files has changed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lake = Lake(settings.lake)
        self._lock = threading.Lock()
        self._stamp: object = None
        self._looked = float("-inf")
        self._recordings: tuple[Stamp, ...] = ()
        self._rows: dict[str, Row] = {}
        self._ids: frozenset[str] = frozenset()
        self._in_part: frozenset[str] = frozenset()
        self.version = 0
        """Grows with each change."""

    def has(self, recording_id: str) -> bool:
        """True if a consent covers it today and it was not withdrawn."""
        self._refresh()
        return recording_id in self._rows

    def ids(self) -> frozenset[str]:
        self._refresh()
        return self._ids

    def ids_in_part(self) -> frozenset[str]:
        """Of those, the ones some of whose speakers were withdrawn: no more of them may be played than their turns."""
        self._refresh()
        return self._in_part

    def recording(self, recording_id: str) -> Row | None:
        """The row of table recordings of one that may be shown."""
        self._refresh()
        return self._rows.get(recording_id)

    def _refresh(self) -> None:
        stamp = self._now()
        if stamp == self._stamp:
            return
        # Whoever asks while it is read again waits: nobody is answered by the rights of before.
        with self._lock:
            if stamp == self._stamp:
                return
            rights = CurrentRights.read(self._settings)
            recordings = [row for row in self._lake.rows("recordings", None, _COLUMNS) if row["status"] == "ok"]
            self._rows = {row["recording_id"]: row for row in recordings if rights.refusal(row) is None}
            self._ids = frozenset(self._rows)
            self._in_part = frozenset(
                row["recording_id"]
                for row in self._rows.values()
                if {row["file_sha256"], row["audio_sha256"]} & rights.in_part
            )
            self._stamp = stamp
            self.version += 1

    def _now(self) -> object:
        """What changes with rights at once, and with the recordings, of which there may be many files, soon."""
        now = time.monotonic()
        if now - self._looked > _LOOK_SECONDS:
            self._recordings, self._looked = self._stamps("recordings"), now
        consents = stamp_of(self._settings.landing / CONSENTS_FILE)
        return date.today(), consents, self._stamps(tombstones.TABLE), self._recordings

    def _stamps(self, table: str) -> tuple[Stamp, ...]:
        return tuple(stamp_of(self._lake.path(table, partition)) for partition in self._lake.partitions(table))


def stamp_of(file: Path) -> Stamp:
    """What changes when another file takes the place of this one; zeros where there is none."""
    try:
        about = os.stat(file)
    except FileNotFoundError:
        return str(file), 0, 0, 0
    return str(file), about.st_ino, about.st_size, about.st_mtime_ns
