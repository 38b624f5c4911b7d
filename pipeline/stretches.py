"""Turns of one speaker joined over short gaps in which nobody else speaks: what is recognised in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.lake.rows import Row

_LONGEST_SECONDS = 300.0
"""Of a stretch: an hour of one voice must not lie in memory at once."""


@dataclass(frozen=True)
class Stretch:
    """Neighbouring turns of one speaker in order of start; `start` and `end` in seconds of the recording."""

    turns: tuple[Row, ...]

    @property
    def start(self) -> float:
        return self.turns[0]["start"]

    @property
    def end(self) -> float:
        return self.turns[-1]["end"]

    @property
    def speaker(self) -> str:
        return self.turns[0]["local_speaker"]

    def turn_at(self, time: float) -> Row:
        """The turn in which a time lies, or the next one if it lies in a gap."""
        return next((turn for turn in self.turns if time < turn["end"]), self.turns[-1])


def stretches(turns: Sequence[Row], longest_gap: float) -> list[Stretch]:
    """All turns, in order of start, those of one speaker joined over gaps of up to `longest_gap` seconds.

    Turns of a recording do not overlap, so nobody else speaks between two that follow one another. Nor are turns joined
    over given text (see recognition/given_text.py): what lies there is known.
    """
    groups: list[list[Row]] = []
    for turn in sorted(turns, key=lambda turn: (turn["start"], turn["end"])):
        before = groups[-1][-1] if groups else None
        if (
            before is not None
            and before["local_speaker"] == turn["local_speaker"]
            and not turn.get("after_given")
            and turn["start"] - before["end"] <= longest_gap
            and turn["end"] - groups[-1][0]["start"] <= _LONGEST_SECONDS
        ):
            groups[-1].append(turn)
        else:
            groups.append([turn])
    return [Stretch(tuple(group)) for group in groups]


def contexts(found: Sequence[Stretch], wanted: float, duration: float) -> list[tuple[float, float]]:
    """(start, end) of each stretch with up to `wanted` seconds before and after, in a recording of `duration` seconds.

    Of a gap to the next stretch each takes half at most, so that they do not overlap; beside given text none is taken.
    """
    spans = []
    reached = 0.0
    for number, stretch in enumerate(found):
        following = found[number + 1].start if number + 1 < len(found) else 2 * duration - stretch.end
        before, after = (min(wanted, max(0.0, gap)) for gap in (stretch.start - reached, (following - stretch.end) / 2))
        if any(turn.get("partly") or turn.get("after_given") for turn in stretch.turns):
            before = after = 0.0
        spans.append((round(stretch.start - before, 3), min(round(stretch.end + after, 3), duration)))
        reached = (stretch.end + following) / 2
    return spans


def seconds_inside(start: float, end: float, turns: Sequence[Row]) -> float:
    """How many of the seconds from `start` to `end` lie in these turns, which do not overlap."""
    return sum(max(0.0, min(end, turn["end"]) - max(start, turn["start"])) for turn in turns)
