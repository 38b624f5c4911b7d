"""The voices of a dialect in table models: which speaks for it, which is judged, which it has to stand beside.

One voice of a dialect is promoted at a time; that row is the pointer that everybody follows. What decides about a
promotion is in model/evaluation/promotion.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from model.voices.model_card import write_card
from model.voices.status import EXPERIMENT, PROMOTED, SUPERSEDED
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.rights import audit
from pipeline.rights.consents import TAINTED
from pipeline.settings import Settings

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class UnknownVoice(Exception):
    """No voice has the id that was asked for; the message lists those that there are."""


@dataclass(frozen=True)
class Voice:
    """A fine-tuned voice: its row of table models, its folder, and whether it was there before."""

    row: Row
    folder: Path
    reused: bool

    @classmethod
    def of(cls, row: Row, settings: Settings) -> Voice:
        """A voice that the table holds."""
        return cls(row, settings.root / row["path"], reused=True)

    @property
    def model_id(self) -> str:
        return self.row["model_id"]


def current(lake: Lake, settings: Settings, dialect: str) -> Voice | None:
    """The voice that speaks for the dialect; None without one.

    It is the promoted one; without it the one that was promoted before it, else the candidate trained last; never a
    tainted model or an experiment.
    """
    rows = _eligible(lake, dialect)
    row = _pointed_at(rows) or (rows[-1] if rows else None)
    return Voice.of(row, settings) if row else None


def to_judge(lake: Lake, settings: Settings, dialect: str, model_id: str = "") -> Voice | None:
    """The voice that is judged: the one of that id, else the one trained, or found again, last that is no experiment.

    Raises UnknownVoice for an id that the dialect has not, or of a tainted model.
    """
    if not model_id:
        rows = _eligible(lake, dialect)
        return Voice.of(rows[-1], settings) if rows else None
    rows = [row for row in lake.rows("models", dialect) if row["status"] != TAINTED]
    found = next((row for row in rows if row["model_id"] == model_id), None)
    if found is None:
        known = ", ".join(row["model_id"] for row in rows) or "none"
        raise UnknownVoice(f"{dialect} has no voice {model_id!r} that may be used; there are: {known}")
    return Voice.of(found, settings)


def rival_of(lake: Lake, settings: Settings, dialect: str, model_id: str) -> Voice | None:
    """The voice that `model_id` has to stand beside: the promoted one, or the one whose place it took; None without.

    So a voice that was promoted is compared with its predecessor when it is judged again.
    """
    row = _pointed_at([row for row in _eligible(lake, dialect) if row["model_id"] != model_id])
    return Voice.of(row, settings) if row else None


def set_status(lake: Lake, settings: Settings, model_id: str, dialect: str, status: str, reason: str) -> None:
    """Write a model's status into table models and its card; a tainted model stays tainted.

    Where it is promoted, the one that was promoted before is superseded.
    """
    rows = lake.rows("models", dialect)
    changed = [_change(settings, row, status, reason) for row in rows if row["model_id"] == model_id]
    if any(row["model_id"] == model_id and row["status"] == PROMOTED for row in rows):
        changed += [
            _change(settings, row, SUPERSEDED, f"{model_id} took its place; before: {row['status_reason']}")
            for row in rows
            if row["model_id"] != model_id and row["status"] == PROMOTED
        ]
    if any(changed):
        lake.write("models", dialect, rows)


def _change(settings: Settings, row: Row, status: str, reason: str) -> bool:
    if row["status"] == TAINTED or (row["status"], row["status_reason"]) == (status, reason):
        return False
    if status == PROMOTED and row["status"] != PROMOTED:
        row["promoted_at"] = datetime.now(UTC)
    row |= {"status": status, "status_reason": reason}
    card = json.loads(row["card"]) | {"status": status, "status_reason": reason}
    row["card"] = json.dumps(card, ensure_ascii=False, sort_keys=True)
    write_card(settings.root / row["path"], card)
    audit.append(settings.root, "model.status", row["model_id"], {"status": status, "reason": reason})
    return True


def _pointed_at(rows: Sequence[Row]) -> Row | None:
    """Of these rows the promoted one, else the one superseded that was promoted last."""
    for status in (PROMOTED, SUPERSEDED):
        # A table of an older version may say it of several, without a time; the last of them is meant.
        found = [row for row in rows if row["status"] == status]
        if found:
            return sorted(found, key=lambda row: row["promoted_at"] or _LONG_AGO)[-1]
    return None


def _eligible(lake: Lake, dialect: str) -> list[Row]:
    return [row for row in lake.rows("models", dialect) if row["status"] not in (TAINTED, EXPERIMENT)]
