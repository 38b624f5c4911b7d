"""The inventory of a takedown: the workspace is walked once, every file of it is examined once.

Showing, removing and checking work on this list.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.settings import Settings
from pipeline.takedown import landed
from pipeline.takedown.rows import Clip

What = Literal["landed file", "rows", "lines", "part file", "file", "folder", "unreadable"]
_PROGRESS_SECONDS = 20.0


@dataclass(frozen=True)
class Removal:
    """Something withdrawn at one place: `count` rows, lines or files with so many `seconds` of audio.

    `by_content`: found by words, names or sound, and not by ids.
    """

    what: What
    path: Path
    place: str
    count: int = 1
    seconds: float = 0.0
    by_content: bool = False


@dataclass
class Inventory:
    """What is withdrawn and where it lies; and what can be counted only while it is there."""

    removals: list[Removal] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    """Landed files under a withdrawn name that hold another recording by now; they stay."""
    rows: Counter[str] = field(default_factory=Counter)
    """Rows that go, by recording or tainted model."""
    clips: set[Clip] = field(default_factory=set)
    searched: Counter[str] = field(default_factory=Counter)
    """Files that were searched, by the folder below the workspace."""
    unsearchable: dict[str, str] = field(default_factory=dict)
    """Places in which nobody can look, and why."""
    mentions: list[str] = field(default_factory=list)
    """Places that name a withdrawn speaker or file, in text that is no record of theirs; they stay."""

    short_texts: int = 0
    """Withdrawn texts that are too common to be searched for alone."""

    def __iter__(self) -> Iterator[Removal]:
        return iter(self.removals)


def place(settings: Settings, file: Path) -> str:
    """The path below the workspace as it is shown, absolute outside of it."""
    shown = file
    for root in (settings.root, settings.root.resolve()):
        if file.is_relative_to(root):
            shown = file.relative_to(root)
            break
    return shown.as_posix().encode(errors="surrogateescape").decode("utf-8", "replace")


def with_progress(files: list[Path], say: Callable[[str], None]) -> Iterator[Path]:
    """The files, with a word now and then about how many have been searched."""
    last = time.monotonic()
    for number, file in enumerate(files):
        if time.monotonic() - last > _PROGRESS_SECONDS:
            say(f"{number} of {len(files)} files searched")
            last = time.monotonic()
        yield file


def landed_removals(settings: Settings, extents: list) -> tuple[list[Removal], list[Path]]:
    """Landed files that go, and those under a withdrawn name that stay."""
    removals, others = [], []
    for extent in extents:
        ours, theirs = landed.landed(settings, extent)
        removals += [Removal("landed file", file, place(settings, file)) for file in ours]
        others += theirs
    return removals, others
