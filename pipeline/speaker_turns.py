"""Speaker turns and their arithmetic: merged, bounded, without snippets, and who speaks at the same time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MERGE_GAP_SECONDS = 0.3
"""A speaker who goes on after a shorter gap, with nobody between, is still in the same turn."""


@dataclass(frozen=True)
class Turn:
    """Someone speaks from `start` to `end`, in seconds of the recording."""

    start: float
    end: float
    speaker: str


def bounded(turns: Sequence[Turn], duration: float) -> list[Turn]:
    """Turns in order, in whole milliseconds, inside the recording and never on top of each other."""
    inside: list[Turn] = []
    reached = 0.0
    for turn in sorted(turns, key=lambda turn: (turn.start, turn.end)):
        start, end = max(round(turn.start, 3), reached), min(round(turn.end, 3), _floor_ms(duration))
        if end > start:
            inside.append(Turn(start, end, turn.speaker))
            reached = end
    return inside


def merged(turns: Sequence[Turn]) -> list[Turn]:
    """Turns in order, with those of one speaker made one where nobody else speaks in a gap under 0.3 s."""
    joined: list[Turn] = []
    for turn in turns:
        last = joined[-1] if joined else None
        if last is not None and last.speaker == turn.speaker and turn.start - last.end < MERGE_GAP_SECONDS:
            joined[-1] = Turn(last.start, turn.end, turn.speaker)
        else:
            joined.append(turn)
    return joined


def without_snippets(turns: Sequence[Turn], shortest: float) -> list[Turn]:
    """Turns of `shortest` seconds or more; a speaker interrupted by nothing but a snippet keeps the turn."""
    return merged([turn for turn in turns if turn.end - turn.start >= shortest])


def overlap_shares(turns: Sequence[Turn], said: Sequence[Turn]) -> list[float]:
    """For each turn, the share of it in which somebody else of `said` speaks too. Both in order of start."""
    shares: list[float] = []
    ordered = sorted(said, key=lambda other: other.start)
    longest = max((other.end - other.start for other in ordered), default=0.0)
    starts = np.array([other.start for other in ordered])
    for turn in turns:
        first, last = np.searchsorted(starts, [turn.start - longest, turn.end])
        covered, reached = 0.0, turn.start
        for other in ordered[first:last]:
            if other.speaker != turn.speaker and other.end > reached:
                covered += max(0.0, min(other.end, turn.end) - max(other.start, reached))
                reached = max(reached, min(other.end, turn.end))
        shares.append(covered / (turn.end - turn.start))
    return shares


def also_speaking(turns: Sequence[Turn], said: Sequence[Turn]) -> list[list[Turn]]:
    """For each turn, when somebody else of `said` speaks inside it, in whole milliseconds. Both in order of start."""
    found: list[list[Turn]] = []
    ends = np.maximum.accumulate([turn.end for turn in said]) if said else np.zeros(0)
    for turn in turns:
        first = int(np.searchsorted(ends, turn.start, side="right"))
        inside: list[Turn] = []
        for other in itertools.islice(said, first, None):
            if other.start >= turn.end:
                break
            start, end = round(max(other.start, turn.start), 3), round(min(other.end, turn.end), 3)
            if other.speaker != turn.speaker and end > start:
                inside.append(Turn(start, end, other.speaker))
        found.append(inside)
    return found


def _floor_ms(seconds: float) -> float:
    return int(seconds * 1000) / 1000
