"""Keeps corrections in table `corrections` of the lake: rows are added, none is changed, by one process at a time.

A partition holds the recordings of one two-digit hash, so that adding rewrites little and a query opens few files.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.corrections.correction import Correction, last_of_each, not_taken_back, same_speech
from pipeline.lake.lake import Lake
from pipeline.lake.lock import writing
from pipeline.lake.rows import to_rows, to_table
from pipeline.lake.storage import flush_folder
from pipeline.settings import Settings

TABLE = "corrections"
_LOCK = ".corrections.lock"


class CorrectionConflict(Exception):
    """Somebody else corrected the same speech since; `newer` are those rows, and nothing was added."""

    def __init__(self, newer: Sequence[Correction]) -> None:
        names = ", ".join(sorted({one.who for one in newer}))
        super().__init__(f"{names} corrected the same speech in the meantime; look at it, then correct again")
        self.newer = list(newer)


class CorrectionRefused(Exception):
    """Nothing was added: the recording was withdrawn, or an id stands there already with another content."""


class Corrections:
    """The corrections of a workspace; `lake` is its lake where that lies elsewhere than in its folder `lake`."""

    def __init__(self, workspace: Path, lake: Path | None = None) -> None:
        self._workspace = workspace
        self._lake = Lake(lake or workspace / "lake")

    @classmethod
    def of(cls, settings: Settings) -> Corrections:
        """Those of the configured workspace and lake."""
        return cls(settings.root, settings.lake)

    def add(self, rows: Sequence[Correction], seen: Sequence[str] = ()) -> None:
        """Add rows, on disk when this returns; those that stand there already are passed over.

        `seen` are the ids of the corrections of these spans that the reviewer saw. Raises CorrectionConflict if others
        have come since (a note is no conflict), CorrectionRefused, and adds nothing then. Waits for a running takedown.
        """
        with writing(self._workspace), self._alone():
            there = {one.correction_id: one for one in self._read(sorted({row.recording_id for row in rows}))}
            fresh = [row for row in rows if row.correction_id not in there]
            if any(there.get(row.correction_id, row) != row for row in rows):
                raise CorrectionRefused("a correction with this id stands there already; a new one takes a new id")
            self._refuse_withdrawn(fresh)
            known = {*seen, *(row.correction_id for row in rows)}
            newer = [
                one
                for one in there.values()
                if one.correction_id not in known
                and one.field != "note"
                and any(row.field != "note" and same_speech(one, row) for row in fresh)
            ]
            if newer:
                raise CorrectionConflict(sorted(newer, key=lambda one: one.at))
            self._write(fresh)

    def rows(self) -> list[Correction]:
        """All, in order of time."""
        return _in_order(to_rows(self._lake.read(TABLE)))

    def of_recording(self, recording_id: str) -> list[Correction]:
        """All of a recording in order of time, those taken back and the rows that take back included."""
        return self._read([recording_id])

    def standing(self, recording_id: str) -> list[Correction]:
        """Those of a recording that are not taken back, in order of time; of each span and field the last."""
        return last_of_each(not_taken_back(self._read([recording_id])))

    def standing_of(self, recordings: Collection[str]) -> dict[str, list[Correction]]:
        """`standing` of many recordings at once; those without corrections are left out."""
        found: dict[str, list[Correction]] = defaultdict(list)
        for one in self._read(recordings):
            found[one.recording_id].append(one)
        standing = {name: last_of_each(not_taken_back(rows)) for name, rows in found.items()}
        return {name: rows for name, rows in standing.items() if rows}

    def _read(self, recordings: Collection[str]) -> list[Correction]:
        wanted = pa.array(sorted(recordings), pa.string())
        tables = [self._lake.read(TABLE, name) for name in sorted({partition_of(one) for one in recordings})]
        kept = [table.filter(pc.is_in(table["recording_id"], value_set=wanted)) for table in tables]  # type: ignore[attr-defined]
        return _in_order(row for table in kept for row in to_rows(table))

    def _write(self, rows: Iterable[Correction]) -> None:
        groups: dict[str, list[Correction]] = defaultdict(list)
        for row in rows:
            groups[partition_of(row.recording_id)].append(row)
        for name, group in groups.items():
            added = to_table(TABLE, [row.to_row() for row in group])
            self._lake.write(TABLE, name, iter([pa.concat_tables([self._lake.read(TABLE, name), added])]))
            flush_folder(self._lake.path(TABLE, name).parent)

    def _refuse_withdrawn(self, rows: Sequence[Correction]) -> None:
        gone = {
            row["recording_id"]
            for row in self._lake.rows("tombstones", None, ("recording_id", "extent"))
            if row["extent"] == "whole"
        }
        named = sorted({row.recording_id for row in rows} & gone)
        if named:
            raise CorrectionRefused(f"recording {', '.join(named)} was withdrawn; nothing can be said of it any more")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._workspace.mkdir(parents=True, exist_ok=True)
        with (self._workspace / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def partition_of(recording_id: str) -> str:
    """The partition that holds a recording's corrections."""
    return hashlib.sha256(recording_id.encode()).hexdigest()[:2]


def _in_order(rows: Iterable[dict]) -> list[Correction]:
    return sorted((Correction.from_row(row) for row in rows), key=lambda one: (one.at, one.correction_id))
