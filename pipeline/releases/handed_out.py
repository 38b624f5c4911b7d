"""To whom releases were handed out, as far as the audit log knows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pipeline.rights import audit

ACTION = "release.export"


@dataclass(frozen=True)
class HandedOut:
    """One export of a release: when, by whom, in which format, where to, and to whom ("" if nobody said)."""

    release: str
    when: str
    by: str
    format: str
    out: str
    to: str

    def __str__(self) -> str:
        whom = f"to {self.to}" if self.to else "nobody wrote down to whom"
        return f"release {self.release}, {self.when[:10]}, as {self.format} in {self.out}, by {self.by}: {whom}"


def handed_out(workspace: Path, releases: Collection[str]) -> list[HandedOut]:
    """The exports of these releases, oldest first."""
    return [
        HandedOut(
            str(entry["subject"]),
            str(entry["time"]),
            str(entry["actor"]),
            *(str(entry["details"].get(key) or "") for key in ("format", "out", "to")),
        )
        for entry in audit.read(workspace)
        if entry.get("action") == ACTION and entry.get("subject") in releases
    ]
