"""Alignments that reach over several turns of a speaker, cut again where those turns differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from pipeline.lake.rows import Row
from pipeline.stretches import seconds_inside
from pipeline.text.pieces import text_pieces


def cut_between_turns(alignments: Sequence[Row], turns: Sequence[Row], differ: Callable[[Row, Row], bool]) -> list[Row]:
    """The alignments, each that reaches over two turns of its speaker which differ cut in two between them.

    The parts keep their `transcript_id`; `turn_id` is the turn of the first character. No cut falls inside a number, or
    where one of the parts would have no characters.
    """
    speaker_of = {turn["turn_id"]: turn["local_speaker"] for turn in turns}
    parts: list[Row] = []
    for row in alignments:
        speaker = speaker_of.get(row["turn_id"])
        own = sorted(
            (
                turn
                for turn in turns
                if turn["local_speaker"] == speaker and turn["start"] < row["end"] and turn["end"] > row["start"]
            ),
            key=lambda turn: turn["start"],
        )
        times = [(one["end"] + two["start"]) / 2 for one, two in pairwise(own) if differ(one, two)]
        parts += [_in_its_turn(part, own) for part in _cut(row, times, own)]
    return parts


def _cut(row: Row, times: Sequence[float], turns: Sequence[Row]) -> list[Row]:
    pieces = text_pieces(row["text"], [character["char"] for character in row["characters"]]) if times else None
    if pieces is None:
        return [row]
    readings = (row["romanization"] or "").split(" ")
    parts: list[Row] = []
    first, start = 0, row["start"]
    for time in times:
        at = next((number for number, one in enumerate(row["characters"]) if _middle(one) >= time), len(pieces))
        while at < len(pieces) and not pieces[at]:
            at += 1
        if first < at < len(pieces):
            parts.append(_part(row, pieces, readings, first, at, start, time, turns))
            first, start = at, time
    return [*parts, _part(row, pieces, readings, first, len(pieces), start, row["end"], turns)] if parts else [row]


def _part(
    row: Row,
    pieces: Sequence[str],
    readings: Sequence[str],
    first: int,
    last: int,
    start: float,
    end: float,
    turns: Sequence[Row],
) -> Row:
    return row | {
        "start": start,
        "end": end,
        "covered_seconds": seconds_inside(start, end, turns),
        "text": "".join(pieces[first:last]),
        "characters": row["characters"][first:last],
        "romanization": " ".join(readings[first:last]) if len(readings) == len(pieces) else row["romanization"],
    }


def _in_its_turn(row: Row, turns: Sequence[Row]) -> Row:
    if not row["characters"] or not turns:
        return row
    turn = next((turn for turn in turns if _middle(row["characters"][0]) < turn["end"]), turns[-1])
    return row | {"turn_id": turn["turn_id"]}


def _middle(character: Row) -> float:
    return (character["start"] + character["end"]) / 2
