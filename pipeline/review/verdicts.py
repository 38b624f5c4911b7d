"""What reviewers said of the units of a random sample, read from the corrections that the sample offered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq

from pipeline.corrections.correction import Correction, not_taken_back
from pipeline.lake.lake import Lake
from pipeline.lake.storage import readable
from pipeline.lake.tables import span_id
from pipeline.review.samples import TABLE, Unit

FINISHED = ("text", "accepted", "unintelligible", "keep")
"""Fields by which a reviewer has done with a segment; a dialect or a note alone leaves it open."""


@dataclass(frozen=True)
class Verdict:
    """What one reviewer says of one unit. `text` is None where it says nothing of the text, or that none can be heard.

    `was` is the text that is judged: of the sample as it was drawn, or what was shown if segments were cut anew since.
    """

    unit: Unit
    who: str
    text: str | None
    was: str
    keep: str
    dialect: str
    speaker: str
    unintelligible: str
    listened_s: float | None
    recut: bool


def heard(corrections: Sequence[Correction]) -> list[tuple[str, str, str | None]]:
    """(span's id, who, sample) of each review that is finished and not taken back."""
    return [
        (span_id(one.recording_id, one.start, one.end), one.who, one.sample)
        for one in not_taken_back(corrections)
        if one.field in FINISHED
    ]


def verdicts(lake: Lake, sample: str, corrections: Sequence[Correction]) -> list[Verdict]:
    """The finished reviews of the sample's units, by place and reviewer: of each reviewer the last word."""
    offered = [one for one in not_taken_back(corrections) if one.sample == sample]
    of_recording = _units(lake, sample, {one.recording_id for one in offered})
    said: defaultdict[tuple[int, str, str], list[Correction]] = defaultdict(list)
    units: dict[int, Unit] = {}
    for one in offered:
        unit = _unit_of(one, of_recording.get(one.recording_id, []))
        if unit is not None:
            units[unit.place] = unit
            said[unit.place, one.who, span_id(one.recording_id, one.start, one.end)].append(one)
    found: dict[tuple[int, str], Verdict] = {}
    for (place, who, span), rows in sorted(said.items()):
        if any(row.field in FINISHED for row in rows):
            verdict = _verdict(units[place], who, span, rows)
            # Of two spans that lie in one unit its own is the better witness.
            if (place, who) not in found or not verdict.recut:
                found[place, who] = verdict
    return list(found.values())


def _units(lake: Lake, sample: str, recordings: set[str]) -> dict[str, list[Unit]]:
    file = lake.path(TABLE, sample)
    if not recordings or not file.exists():
        return {}
    columns = list(Unit.__dataclass_fields__)
    rows = pq.read_table(
        readable(file), columns=columns, filters=[("recording_id", "in", sorted(recordings))]
    ).to_pylist()
    found: defaultdict[str, list[Unit]] = defaultdict(list)
    for row in rows:
        found[row["recording_id"]].append(Unit(**row))
    return found


def _unit_of(one: Correction, units: Sequence[Unit]) -> Unit | None:
    """The unit with this span, or the one that shares most of its speech and more than half of the shorter."""
    span = span_id(one.recording_id, one.start, one.end)
    shared = []
    for unit in units:
        if span_id(unit.recording_id, unit.start, unit.end) == span:
            return unit
        together = min(one.end, unit.end) - max(one.start, unit.start)
        if together > min(one.end - one.start, unit.end - unit.start) / 2:
            shared.append((together, unit.place, unit))
    return max(shared)[2] if shared else None


def _verdict(unit: Unit, who: str, span: str, rows: Sequence[Correction]) -> Verdict:
    last = {row.field: row.new for row in rows}
    text = next((row.new for row in reversed(rows) if row.field in ("text", "accepted")), None)
    if last.get("unintelligible") == "true":
        text = None
    recut = span != span_id(unit.recording_id, unit.start, unit.end)
    shown = next((row.old for row in rows if row.field in ("text", "accepted") and row.old is not None), None)
    was = shown if recut and shown is not None else unit.text
    seconds = [row.listened_s for row in rows if row.listened_s is not None]
    return Verdict(
        unit,
        who,
        text,
        was,
        last.get("keep") or "keep",
        last.get("dialect") or unit.dialect or "",
        last.get("speaker") or unit.speaker_id or "",
        last.get("unintelligible") or "false",
        max(seconds) if seconds else None,
        recut,
    )
