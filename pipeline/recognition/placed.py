"""Spoken characters put together to stretches with text, none longer than a recogniser takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.exchange.given import GivenLine
from pipeline.lake.rows import Row
from pipeline.text.pieces import join_texts

_ENDS = frozenset("。！？!?；;，,、：:…")
_MARGIN_SECONDS = 0.3


@dataclass(frozen=True)
class PlacedText:
    """A stretch with the text that is said in it; `number` is the line's place among those given."""

    start: float
    end: float
    text: str
    turn_id: str
    line: GivenLine
    number: int


@dataclass(frozen=True)
class Spoken:
    """A piece of text and when it is said."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Room:
    """A span in which one stretch may lie, and the turns there."""

    start: float
    end: float
    turns: tuple[Row, ...]

    def turn_of(self, start: float, end: float) -> str:
        """The id of the turn that has most of a span."""
        return max(self.turns, key=lambda turn: min(turn["end"], end) - max(turn["start"], start))["turn_id"]

    def between(self, start: float, end: float) -> Room:
        """What of it lies in a span."""
        return Room(max(self.start, start), min(self.end, end), self.turns)


def placed_texts(
    said: Sequence[Spoken], rooms: Sequence[Room], line: GivenLine, number: int, longest: float
) -> Iterator[PlacedText]:
    """A line's characters in stretches inside one room each, with half of the pause to their neighbours."""
    groups: list[tuple[Room, list[Spoken]]] = []
    for one in said:
        middle = (one.start + one.end) / 2
        room = min(rooms, key=lambda room: max(room.start - middle, middle - room.end, 0.0))
        if groups and groups[-1][0] is room:
            groups[-1][1].append(one)
        else:
            groups.append((room, [one]))
    for room, own in groups:
        for part, low, high in _short(own, room, longest):
            start = round(max(room.start, low, part[0].start - _MARGIN_SECONDS), 3)
            end = round(min(room.end, high, part[-1].end + _MARGIN_SECONDS), 3)
            if end > start:
                text = join_texts(piece.text for piece in part)
                yield PlacedText(start, end, text, room.turn_of(start, end), line, number)


def _short(said: list[Spoken], room: Room, longest: float) -> Iterator[tuple[list[Spoken], float, float]]:
    """Parts of at most `longest` seconds with the borders between them: cut behind a sentence, a comma, in a pause."""
    low = room.start
    while said:
        most = longest - 2 * _MARGIN_SECONDS
        fitting = max(1, sum(piece.end - said[0].start <= most for piece in said))
        if fitting < len(said):
            half = max(1, fitting // 2)
            fitting = max(range(half, fitting + 1), key=lambda place: _cut_worth(said, place))
        part, said = said[:fitting], said[fitting:]
        high = (part[-1].end + said[0].start) / 2 if said else room.end
        yield part, low, max(low, high)
        low = max(low, high)


def _cut_worth(said: Sequence[Spoken], place: int) -> float:
    """How good it is to cut before a character: a second of pause counts as much as a comma."""
    before = said[place - 1]
    mark = before.text.rstrip()[-1:] in _ENDS if before.text else False
    return float(mark) + max(0.0, said[place].start - before.end)
