"""Segments as people heard and corrected them: each corrected stretch is one, whatever else would be cut there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.corrections.spans import CorrectedSpan
from pipeline.corrections.text_rows import cut_by_spans
from pipeline.lake.rows import Row
from pipeline.segmentation import Segment
from pipeline.text.pieces import join_texts
from pipeline.text.romanize import romanize, sounds_in_ipa

_UNREAD = "?"


def parts_of(
    aligned: Sequence[Row], spans: Sequence[CorrectedSpan], recording_id: str
) -> tuple[list[tuple[CorrectedSpan, Row]], list[Row]]:
    """Aligned rows cut to what lies in each span and the rest; a text that a person wrote is its span's whole."""
    by_id = {span.span_id(recording_id): span for span in spans if span.has_text}
    inside: list[tuple[CorrectedSpan, Row]] = []
    rest: list[Row] = []
    for row in aligned:
        own = by_id.get(row["transcript_id"])
        for span, part in [(own, row)] if own else cut_by_spans(row, spans):
            if span is None:
                rest.append(part)
            else:
                inside.append((span, part))
    return inside, rest


def fixed_segments(
    inside: Sequence[tuple[CorrectedSpan, Row]], turns: Sequence[Row], first: int
) -> list[tuple[Segment, CorrectedSpan]]:
    """A segment for each span with speech, with the span; `covered` counts the parts on from index `first`.

    Its speaker is the one who has most of it. Characters that stick out of the span are cut off at its ends.
    """
    found = []
    for span in dict.fromkeys(span for span, _ in inside):
        own = [(first + number, part) for number, (one, part) in enumerate(inside) if one is span]
        own.sort(key=lambda pair: pair[1]["start"])
        characters = [_within(one, span) for _, part in own for one in part["characters"]]
        made = Segment(
            start=span.start,
            end=span.end,
            local_speaker=_speaker(span, turns),
            text=join_texts(part["text"] for _, part in own),
            characters=characters,
            readings=[reading for _, part in own for reading in _readings(part)],
            covered=[(index, part["covered_seconds"]) for index, part in own],
        )
        found.append((made, span))
    return found


def seconds_beside(rest: Sequence[Row], spans: Sequence[CorrectedSpan]) -> dict[str, float]:
    """What the transcripts that reach to a corrected stretch account for outside of it, by their id."""
    beside = {row["transcript_id"] for row in rest if any(_touches(span, row) for span in spans)}
    seconds = dict.fromkeys(beside, 0.0)
    for row in rest:
        if row["transcript_id"] in beside:
            seconds[row["transcript_id"]] += row["covered_seconds"]
    return seconds


def rescale(segments: Sequence[Segment], aligned: Sequence[Row], seconds: Mapping[str, float]) -> None:
    """Let segments account for so many seconds of each transcript that is named, in place.

    They are cut by the turns, and what a corrected stretch has taken of a transcript is in none of its turns' seconds.
    """
    for name, wanted in seconds.items():
        own = [
            (found, number)
            for found in segments
            for number, (index, _) in enumerate(found.covered)
            if aligned[index]["transcript_id"] == name
        ]
        total = sum(found.covered[number][1] for found, number in own)
        for found, number in own:
            index, before = found.covered[number]
            share = before / total if total > 0 else 1 / len(own)
            found.covered[number] = (index, wanted * share)


def readings_in(segment: Segment, dialect: str) -> str:
    """The readings of a segment's text in another dialect; those that it has where they would not fit."""
    tokens = romanize(segment.text, dialect)
    if len(tokens) != len(segment.characters):
        return " ".join(segment.readings)
    return " ".join(token.reading or _UNREAD for token in tokens)


def ipa_in(segment: Segment, dialect: str) -> str | None:
    """The IPA of a segment's characters by the dictionary of a dialect, one a character, separated by spaces.

    None where the dictionary has no IPA, or reads the text otherwise than it is aligned."""
    found = sounds_in_ipa(segment.text, dialect)
    return " ".join(one or _UNREAD for one in found) if any(found) and len(found) == len(segment.characters) else None


def _readings(part: Row) -> list[str]:
    readings: list[str] = list((part["romanization"] or "").split(" "))
    return readings if len(readings) == len(part["characters"]) else [_UNREAD] * len(part["characters"])


def _within(character: Row, span: CorrectedSpan) -> Row:
    start, end = max(character["start"], span.start), min(character["end"], span.end)
    return character | {"start": start, "end": end}


def _speaker(span: CorrectedSpan, turns: Sequence[Row]) -> str:
    seconds: dict[str, float] = {}
    for turn in turns:
        seconds[turn["local_speaker"]] = seconds.get(turn["local_speaker"], 0.0) + span.shared(
            turn["start"], turn["end"]
        )
    return max(sorted(seconds), key=lambda name: seconds[name], default="")


def _touches(span: CorrectedSpan, row: Row) -> bool:
    return span.start <= row["end"] and span.end >= row["start"]
