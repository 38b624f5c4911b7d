"""What an engine is: it runs a stage over groups of recordings, here or elsewhere, and says what became of each one.

A group is the unit of work: handed out, kept and, after a death, done again whole; given up is only a recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.stage import GroupRows, Recording, Stage, StageResult

_LEAST_SECONDS = 1.0
"""As much as this each recording counts for: opening a file costs too, and of some the length is not known."""
_GROUPS_A_WORKER = 4
_SECONDS_A_SECOND = 10.0
"""A group of several may take so many times its audio, where that is more than one recording may take."""


@dataclass(frozen=True)
class Group:
    """Recordings that are worked on together, in the order of the batch; a long one is alone."""

    recordings: tuple[Recording, ...]

    @property
    def seconds(self) -> float:
        """Audio in it, of recordings whose length is not known one second."""
        return sum(weight(recording) for recording in self.recordings)

    def alone(self) -> list[Group]:
        """Each of its recordings as a group of its own: one of them took down the worker that had them all."""
        return [Group((recording,)) for recording in self.recordings]


@dataclass(frozen=True)
class Failure:
    """Why a recording could not be worked on."""

    reason: str
    message: str
    traceback: str
    attempts: int


@dataclass(frozen=True)
class Done:
    """What became of one recording; `seconds` is its share, by audio, of the time inside the stage for its group."""

    recording: Recording
    result: StageResult | None
    failure: Failure | None
    seconds: float


@dataclass
class Usage:
    """What the workers used: seconds to load models (all workers), peak memory of the largest worker in MB."""

    load_seconds: float = 0.0
    peak_memory_mb: float = 0.0


Upstream = Callable[[Group], GroupRows]
"""Reads the rows of a group's recordings; an engine calls it when a worker is free, so that memory holds few."""


class Engine(Protocol):
    """Runs a stage; `workers` groups are worked on at once, `usage` counts while it runs."""

    usage: Usage

    @property
    def workers(self) -> int: ...

    def run(self, stage: Stage, groups: Sequence[Group], upstream: Upstream) -> Iterator[Sequence[Done]]:
        """Yield what became of the recordings, as groups end: every recording once.

        A group whose worker dies or takes too long is worked on again one recording at a time, so that the one at
        fault is given up alone. Raises ModelUnavailable if the stage's model cannot load. Leaving the iteration early
        ends the workers.
        """
        ...


def weight(recording: Recording) -> float:
    """How much of a group a recording is, in seconds."""
    return max(_LEAST_SECONDS, recording.duration)


def groups_of(recordings: Sequence[Recording], minutes: float, workers: int) -> list[Group]:
    """Recordings in their order, in groups of about `minutes` of audio; fewer where workers would go without."""
    total = sum(map(weight, recordings))
    wanted = min(60.0 * minutes, total / (workers * _GROUPS_A_WORKER))
    groups: list[Group] = []
    held: list[Recording] = []
    seconds = 0.0
    for recording in recordings:
        if held and seconds + weight(recording) > wanted:
            groups.append(Group(tuple(held)))
            held, seconds = [], 0.0
        held.append(recording)
        seconds += weight(recording)
    return [*groups, Group(tuple(held))] if held else groups


def allowed_seconds(group: Group, recording_timeout: float) -> float:
    """How long a worker may take over a group: a recording its timeout; several ten times their audio if that is more,
    and never more than their timeouts one after another."""
    longest = max(recording_timeout, _SECONDS_A_SECOND * group.seconds)
    return min(longest, recording_timeout * len(group.recordings))
