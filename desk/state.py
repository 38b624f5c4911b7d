"""What the desk holds while it runs: settings, lake, rights, users, sessions, the index and the clips."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from desk.allowed import Allowed
from desk.clips import Clips
from desk.condition import Conditions
from desk.index import Index
from desk.latest import Latest
from desk.originals import Originals
from desk.sessions import Sessions
from desk.users import desk_users
from pipeline.access.limits import FailureLimit
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.rights import audit
from pipeline.settings import Settings


class Desk:
    """One workspace's desk; safe for many threads."""

    def __init__(self, workspace: Path, settings: Settings) -> None:
        self.workspace, self.settings = workspace, settings
        self.lake = Lake(settings.lake)
        self.users = desk_users(workspace)
        self.sessions = Sessions()
        self.limits = (FailureLimit(10, 300.0), FailureLimit(30, 300.0))
        """Of failures to sign in: by address, by name."""
        self.allowed = Allowed(settings)
        self.index = Index(settings)
        self.conditions = Conditions(self.lake, self.index)
        self.clips = Clips(settings)
        self.originals = Originals(settings)
        self.counts: Latest[tuple[Any, ...], dict[str, Any]] = Latest(64)
        """Numbers of segments beside a list, by what it was narrowed to."""
        self._refusing = threading.Lock()
        self._refused: tuple[tuple[int, int], list[str]] = ((-1, -1), [])

    def segment(self, segment_id: str) -> Row | None:
        """All columns of a segment but its sound, with what the corpus decided; None if it may not be shown.

        `partition` and `file_row` say where it lies in table segments.
        """
        found = self.index.segment(segment_id)
        if found is None or not self.allowed.has(found["recording_id"]):
            return None
        row = self.clips.row(found)
        return None if row is None else row | {name: found[name] for name in _FROM_INDEX}

    def recording(self, recording_id: str) -> Row | None:
        """The row of table recordings; None if it may not be shown."""
        return self.allowed.recording(recording_id) if self.allowed.has(recording_id) else None

    def of_recording(self, table: str, recording_id: str) -> list[Row]:
        """The rows that a table has of a recording that may be shown, without sound; [] if there are none."""
        recording = self.recording(recording_id)
        return [] if recording is None else self.clips.rows_of(table, recording["batch"], recording_id)

    def refused(self) -> list[str]:
        """Ids of recordings of the index that may not be shown."""
        with self._refusing:
            allowed, in_part = self.allowed.ids(), self.allowed.ids_in_part()
            key = self.index.version, self.allowed.version
            if key != self._refused[0]:
                found = self.index.rows(
                    "SELECT DISTINCT recording_id FROM segments UNION SELECT recording_id FROM recordings"
                )
                # Of what was withdrawn in part since, the index may still hold rows.
                known = {row["recording_id"] for row in self.index.rows("SELECT recording_id FROM withdrawn")}
                shown = allowed - (in_part - known)
                self._refused = key, [row["recording_id"] for row in found if row["recording_id"] not in shown]
            return self._refused[1]

    def log(self, who: str, action: str, subject: str, details: dict[str, Any] | None = None) -> None:
        """Write down in the audit log what a user of the desk did."""
        audit.append(self.workspace, action, subject, details, by=who)


_FROM_INDEX = (
    *("partition", "file_row", "speaker_id", "split", "decision", "drop_reason"),
    *("dialect_heard", "dialect_probability", "review_reason"),
)
