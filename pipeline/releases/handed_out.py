"""To whom what was handed out, as far as the audit log knows: exports, and releases among them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.rights import audit

_ACTION = "export.begin"


@dataclass(frozen=True)
class HandedOut:
    """One export: its id, when, by whom, in which format, where to, of which release ("" of none), to whom ("" if
    nobody said), and how many of the recordings that were asked about it held."""

    handover_id: str
    when: str
    by: str
    format: str
    out: str
    release: str
    to: str
    recordings: int

    def __str__(self) -> str:
        whom = f"to {self.to}" if self.to else "nobody wrote down to whom"
        release = f" of release {self.release}" if self.release else ""
        count = "1 recording" if self.recordings == 1 else f"{self.recordings} recordings"
        return f"{self.handover_id}{release}, {self.when[:10]}, {count}, in {self.out}, by {self.by}: {whom}"


def of_release(workspace: Path, name: str) -> list[HandedOut]:
    """The exports of a release, oldest first."""
    return [one for one in _exports(workspace, None) if one.release == name]


def handed_out(workspace: Path, recording_ids: Collection[str]) -> list[HandedOut]:
    """The exports that held something of these recordings, oldest first."""
    return list(_exports(workspace, set(recording_ids)))


def _exports(workspace: Path, wanted: set[str] | None) -> Iterator[HandedOut]:
    for entry in audit.read(workspace):
        details = entry.get("details")
        if entry.get("action") != _ACTION or not isinstance(details, dict):
            continue
        held = set(details.get("recordings") or ())
        held = held if wanted is None else held & wanted
        if held:
            told = (str(details.get(key) or "") for key in ("format", "out", "release", "to"))
            yield HandedOut(str(entry["subject"]), str(entry["time"]), str(entry["actor"]), *told, recordings=len(held))
