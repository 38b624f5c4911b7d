"""What every format of transcripts gives: lines with their times, and the error that says why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


class TranscriptError(Exception):
    """A transcript that cannot be used; the message says what is wrong in it and what to do."""


@dataclass(frozen=True)
class GivenLine:
    """One line of a transcript as it was given, marks included.

    `start` and `end` are seconds of the recording, None where the transcript has no times. `speaker` is the name that
    the transcript gives; `gloss` is the meaning in standard Mandarin, `ipa` the sound, `place` the sub-dialect.
    """

    start: float | None
    end: float | None
    text: str
    speaker: str | None = None
    gloss: str | None = None
    ipa: str | None = None
    place: str | None = None
    remarks: str | None = None

    @property
    def timed(self) -> bool:
        """Whether it says from when to when it is spoken."""
        return self.start is not None and self.end is not None and self.end > self.start

    def to_row(self) -> dict[str, Any]:
        """As a value of the column `given`."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> GivenLine:
        """From a value of the column `given`; columns that a later version added are left out."""
        return cls(**{one.name: row.get(one.name) for one in fields(cls)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Transcript:
    """The lines of one file in order of start, and `notes`: what a person should know of how it was read."""

    lines: tuple[GivenLine, ...] = ()
    notes: tuple[str, ...] = ()


def ordered(lines: list[GivenLine]) -> tuple[GivenLine, ...]:
    """Lines by start and end; lines without times stay behind the one that they follow."""
    keyed: list[tuple[float, float, int]] = []
    reached = 0.0
    for number, line in enumerate(lines):
        reached = line.start if line.start is not None else reached
        keyed.append((reached, line.end if line.end is not None else reached, number))
    return tuple(lines[number] for _, _, number in sorted(keyed))
