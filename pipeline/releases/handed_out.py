"""To whom what was handed out, as far as the audit log knows: exports, and releases among them."""

from __future__ import annotations

from collections.abc import Collection
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


def handed_out(workspace: Path, recording_ids: Collection[str]) -> list[HandedOut]:
    """The exports that held something of these recordings, oldest first."""
    wanted = set(recording_ids)
    found = []
    for entry in audit.read(workspace):
        details = entry.get("details")
        if entry.get("action") != _ACTION or not isinstance(details, dict):
            continue
        held = wanted.intersection(details.get("recordings") or ())
        if held:
            told = (str(details.get(key) or "") for key in ("format", "out", "release", "to"))
            found.append(
                HandedOut(str(entry["subject"]), str(entry["time"]), str(entry["actor"]), *told, recordings=len(held))
            )
    return found
