"""One correction: who says what of which stretch of which recording. How several add up is in spans.py."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from uuid import uuid4

from pipeline.lake.rows import Row
from pipeline.text import dialects
from pipeline.text.strict_json import text_flaw

FIELDS = ("text", "speaker", "dialect", "start", "end", "keep", "unintelligible", "note", "accepted")
VALUES = {"keep": ("keep", "drop"), "unintelligible": ("true", "false")}
_LONGEST_TEXT = 10_000


class CorrectionFlawed(ValueError):
    """A correction cannot be kept; the message says which value, what is wrong with it and what is allowed."""


@dataclass(frozen=True)
class Correction:
    """One row of table corrections. Raises CorrectionFlawed.

    `start` and `end` are seconds in the recording: the segment as it was when it was heard. `new` is a text; a
    speaker_id, a label of the recording's speakers or a name; a dialect's code; seconds; keep or drop; true or false.
    Of `accepted` it is the text that was listened to and found right. `takes_back` is the id of a correction that this
    one takes back, with field, old and new as there; a row that takes back may be taken back too. `sample` names the
    sample that offered the segment: random-..., queue, or None where it was found by browsing.
    """

    correction_id: str
    at: datetime
    who: str
    recording_id: str
    start: float
    end: float
    field: str
    old: str | None
    new: str | None
    why: str | None = None
    takes_back: str | None = None
    sample: str | None = None
    listened_s: float | None = None

    def __post_init__(self) -> None:
        flaw = next(_flaws(self), None)
        if flaw:
            raise CorrectionFlawed(f"correction of {self.recording_id or 'no recording'}: {flaw}")

    def to_row(self) -> Row:
        """As table corrections has it."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_row(cls, row: Row) -> Correction:
        """Of a row of table corrections."""
        return cls(**{one.name: row[one.name] for one in fields(cls)})


def correction(
    who: str, recording_id: str, start: float, end: float, field: str, old: str | None, new: str | None, **more: object
) -> Correction:
    """A new one, made now; `more` are why, takes_back, sample and listened_s. Raises CorrectionFlawed."""
    made = {"correction_id": uuid4().hex, "at": datetime.now(UTC)} | more
    return Correction(who=who, recording_id=recording_id, start=start, end=end, field=field, old=old, new=new, **made)  # type: ignore[arg-type]


def taking_back(one: Correction, who: str, why: str | None = None) -> Correction:
    """The row by which `who` takes a correction back."""
    again = (one.recording_id, one.start, one.end, one.field, one.old, one.new)
    return correction(who, *again, why=why, takes_back=one.correction_id)


def not_taken_back(rows: Sequence[Correction]) -> list[Correction]:
    """The corrections that hold, in order of time; rows that take back are left out."""
    void: set[str] = set()
    for one in sorted(rows, key=_by_time, reverse=True):
        if one.takes_back and one.correction_id not in void:
            void.add(one.takes_back)
    return sorted((one for one in rows if not one.takes_back and one.correction_id not in void), key=_by_time)


def last_of_each(rows: Iterable[Correction]) -> list[Correction]:
    """Of corrections in order of time the last of each span and field."""
    found: dict[tuple[int, int, str], Correction] = {}
    for one in rows:
        key = (round(one.start * 1000), round(one.end * 1000), one.field)
        found.pop(key, None)
        found[key] = one
    return list(found.values())


def same_speech(one: Correction, two: Correction) -> bool:
    """Whether two corrections are about the same stretch: more than half of the shorter one lies in the other."""
    common = min(one.end, two.end) - max(one.start, two.start)
    shorter = min(one.end - one.start, two.end - two.start)
    return one.recording_id == two.recording_id and common > shorter / 2


def _by_time(one: Correction) -> tuple[datetime, str]:
    return one.at, one.correction_id


def _flaws(one: Correction):
    if one.field not in FIELDS:
        yield f"field {one.field!r} is none of {', '.join(FIELDS)}"
        return
    if not one.correction_id or not one.recording_id or not one.who.strip():
        yield "it needs correction_id, recording_id and who"
    if one.at.tzinfo is None:
        yield "its moment has no time zone; give UTC"
    if not (math.isfinite(one.start) and math.isfinite(one.end) and 0 <= one.start < one.end):
        yield f"its span from {one.start} to {one.end} s is none"
    for name in ("who", "old", "new", "why"):
        text = getattr(one, name)
        if text and (flaw := text_flaw(text)):
            yield f"{name} has {flaw}"
        elif text and len(text) > _LONGEST_TEXT:
            yield f"{name} has {len(text)} characters, more than {_LONGEST_TEXT}"
    if one.takes_back is None:
        yield from _flaws_of_value(one)


def _flaws_of_value(one: Correction):
    if one.field in VALUES and one.new not in VALUES[one.field]:
        yield f"{one.field} = {one.new!r}; it is {' or '.join(VALUES[one.field])}"
    elif one.field in ("text", "accepted", "speaker", "note") and not (one.new or "").strip():
        words = "; where nothing can be understood the field is unintelligible" if one.field == "text" else ""
        yield f"{one.field} is empty{words}"
    elif one.field == "dialect":
        try:
            dialects.get(one.new or "")
        except dialects.UnknownDialectError as error:
            yield str(error)
    elif one.field in ("start", "end"):
        yield from _flaws_of_edge(one)


def _flaws_of_edge(one: Correction):
    try:
        edge = float(one.new or "")
    except ValueError:
        edge = math.nan
    if not math.isfinite(edge) or edge < 0:
        yield f"{one.field} = {one.new!r}; it is seconds from the recording's begin"
    elif not (edge < one.end if one.field == "start" else edge > one.start):
        yield f"{one.field} = {edge:g} leaves nothing of the span from {one.start:g} to {one.end:g} s"
