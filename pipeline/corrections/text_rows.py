"""Corrected text in the rows of transcripts and alignments: in the place of what is there, second for second."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

from pipeline.corrections.spans import CorrectedSpan
from pipeline.lake.rows import Row
from pipeline.stretches import seconds_inside
from pipeline.text.pieces import text_pieces

REPLACED = "corrected"
"""Why a row of transcripts is dropped whose whole stretch a person wrote anew."""
BY_PEOPLE = ("corrected", "accepted")
"""Values of text_source of text that no recogniser is praised or blamed for."""
_SLACK_SECONDS = 1e-3
_OF_GIVEN = ("given_text", "given_speaker", "gloss", "ipa", "place", "remarks")


def corrected_transcripts(
    rows: Sequence[Row], spans: Sequence[CorrectedSpan], turns: Sequence[Row], recording_id: str
) -> list[Row]:
    """Rows of one recording with one more for each corrected text, in order of start.

    Its seconds are taken from the rows that it lies over, kept or dropped, as far as they account for any; a row that
    lies in it whole is dropped as replaced. What was given there (gloss, IPA, place) goes with it.
    """
    found = [dict(row) for row in rows]
    made: list[Row] = []
    for span in spans:
        if not span.has_text or not turns:
            continue
        turn = max(turns, key=lambda one: (span.shared(one["start"], one["end"]), -_distance(span, one)))
        over = [row for row in found if span.shared(row["start"], row["end"]) > 0]
        row = dict.fromkeys(found[0]) if found else {}
        row |= {
            "transcript_id": span.span_id(recording_id),
            "turn_id": turn["turn_id"],
            "recording_id": recording_id,
            "start": span.start,
            "end": span.end,
            "text": span.text,
            "text_source": span.source,
            "covered_seconds": sum(_taken(each, span, turns) for each in over),
            "decision": "keep",
        }
        given = [each for each in over if each.get("given_text") and _mostly(span, each)]
        row |= {name: " ".join(dict.fromkeys(each[name] for each in given if each[name])) or None for name in _OF_GIVEN}
        for each in over:
            if each["start"] >= span.start - _SLACK_SECONDS and each["end"] <= span.end + _SLACK_SECONDS:
                row["covered_seconds"] += each["covered_seconds"]
                each |= {"covered_seconds": 0.0, "decision": "drop", "drop_reason": REPLACED}
        made.append(row)
    return sorted([*found, *made], key=lambda row: (row["start"], row["end"]))


def cut_by_spans(row: Row, spans: Sequence[CorrectedSpan]) -> list[tuple[CorrectedSpan | None, Row]]:
    """An aligned row in parts: characters inside of each span, and those outside, in order of time.

    A character belongs where its middle is. The parts keep `transcript_id` and divide `covered_seconds` by their length
    in time; a row that no span reaches is one part.
    """
    characters = row["characters"] or []
    owners = [next((span for span in spans if span.start <= _middle(one) < span.end), None) for one in characters]
    if not any(owners):
        return [(None, row)]
    pieces = text_pieces(row["text"], [one["char"] for one in characters]) or [one["char"] for one in characters]
    readings = (row["romanization"] or "").split(" ")
    parts: list[tuple[CorrectedSpan | None, Row]] = []
    for owner, group in groupby(range(len(characters)), key=lambda number: owners[number]):
        numbers = list(group)
        first, last = numbers[0], numbers[-1]
        own = characters[first : last + 1]
        text = "".join(pieces[first : last + 1]).strip()
        part = row | {
            "text": text or "".join(one["char"] for one in own),
            "characters": own,
            "romanization": " ".join(readings[first : last + 1]) if len(readings) == len(characters) else "",
        }
        parts.append((owner, part))
    for (before, one), (after, two) in pairwise(parts):
        one["end"] = two["start"] = before.end if before else after.start if after else one["end"]
    total = sum(part["end"] - part["start"] for _, part in parts)
    for _, part in parts:
        part["covered_seconds"] = row["covered_seconds"] * (part["end"] - part["start"]) / total
    return parts


def outside(row: Row, spans: Sequence[CorrectedSpan]) -> list[Row]:
    """The parts of an aligned row outside of the spans, with all the seconds that it accounts for; none: all lies in
    them."""
    left = [part for span, part in cut_by_spans(row, spans) if span is None]
    total = sum(part["end"] - part["start"] for part in left)
    for part in left:
        if part is not row and total > 0:
            part["covered_seconds"] = row["covered_seconds"] * (part["end"] - part["start"]) / total
    return left


def _taken(row: Row, span: CorrectedSpan, turns: Sequence[Row]) -> float:
    """Move to the caller what the row accounts for in the span: seconds of its speaker's turns."""
    speaker = next((turn["local_speaker"] for turn in turns if turn["turn_id"] == row["turn_id"]), None)
    own = [turn for turn in turns if turn["local_speaker"] == speaker]
    inside = seconds_inside(max(row["start"], span.start), min(row["end"], span.end), own)
    taken = min(row["covered_seconds"], inside)
    row["covered_seconds"] -= taken
    return taken


def _mostly(span: CorrectedSpan, row: Row) -> bool:
    return span.shared(row["start"], row["end"]) > min(span.end - span.start, row["end"] - row["start"]) / 2


def _distance(span: CorrectedSpan, turn: Row) -> float:
    return max(turn["start"] - span.end, span.start - turn["end"], 0.0)


def _middle(character: Row) -> float:
    return (character["start"] + character["end"]) / 2
