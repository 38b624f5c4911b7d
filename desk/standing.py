"""What a segment's fields say now: as the lake has them, with the corrections laid over that no run has used yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.corrections.correction import Correction, last_of_each, not_taken_back
from pipeline.lake.rows import Row

EDITABLE = ("text", "speaker", "dialect", "start", "end", "keep", "unintelligible", "note")


@dataclass(frozen=True)
class Change:
    """One row of a segment's history. `back`: it was taken back since."""

    who: str
    at: str
    field: str
    new: str
    back: bool


@dataclass(frozen=True)
class Standing:
    """`fields` are the values by field, `pending` the fields whose correction the lake does not show yet.

    `seen` are the ids of all corrections of this speech, `history` what they say, the newest first.
    """

    fields: dict[str, str]
    pending: list[str]
    seen: list[str]
    history: list[Change]
    accepted_by: list[str]


def of_segment(row: Row, corrections: Sequence[Correction], blind_text: str | None = None) -> Standing:
    """`corrections` are all of the recording in order of time, those that take back among them.

    With `blind_text` nothing of them is told, and that is the text.
    """
    mine = [one for one in corrections if same_speech(row, one.start, one.end)]
    if blind_text is not None:
        return Standing(of_lake(row) | {"text": blind_text}, [], [one.correction_id for one in mine], [], [])
    holding = not_taken_back(mine)
    lake = of_lake(row)
    fields, pending = dict(lake), []
    for one in last_of_each(holding):
        if one.field in ("accepted", "note"):
            continue
        fields[one.field] = one.new or ""
    pending = [name for name in EDITABLE if fields[name] != lake[name]]
    there = {one.correction_id for one in holding}
    history = [
        Change(one.who, one.at.strftime("%Y-%m-%d %H:%M"), one.field, one.new or "", one.correction_id not in there)
        for one in reversed(mine)
        if not one.takes_back
    ]
    accepted = list(dict.fromkeys(one.who for one in holding if one.field == "accepted"))
    return Standing(fields, pending, [one.correction_id for one in mine], history, accepted)


def of_lake(row: Row) -> dict[str, str]:
    """The editable fields as the lake has them, each as a correction writes it."""
    return {
        "text": row["text"] or "",
        "speaker": row["speaker_id"] or row["local_speaker"] or "",
        "dialect": row["dialect"] or "",
        "start": f"{row['start']:.3f}",
        "end": f"{row['end']:.3f}",
        "keep": row["decision"],
        "unintelligible": "false",
        "note": "",
    }


def same_speech(row: Row, start: float, end: float) -> bool:
    """Whether most of the shorter of a segment and a span in seconds lies in the other."""
    common = min(row["end"], end) - max(row["start"], start)
    return common > min(row["end"] - row["start"], end - start) / 2
