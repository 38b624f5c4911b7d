"""What a search of one file comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


class Unsearchable(Exception):
    """Nobody can tell what is in the file; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """`rows` or `lines`: so many of them go and the rest stays; `file`: it goes whole; `mention`: a name alone."""

    what: Literal["rows", "lines", "file", "mention"]
    count: int = 1
