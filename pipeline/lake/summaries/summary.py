"""What a summary of the lake is: a view with its question, its SELECT and what its columns mean."""

from __future__ import annotations

from dataclasses import dataclass, field

HOURS_KEPT = (
    "Hours kept: the length of the segments that the corpus keeps, as they are played, pauses and margins included. "
    "Every view means this by hours_kept, and it is the size of the corpus to quote"
)
"""The one definition, in seconds where a column says seconds_kept."""


@dataclass(frozen=True)
class Summary:
    """`select` may hold `{stages}`, the list of stages in order. `columns` describe those that need it, units in [].

    The other fields name the columns of which an option of `fangyan ask` asks, "" where it does not: --dialect a code
    or a list of codes (`dialects`), --since a moment, --days the days to come. `since_days` and `most_days` are what
    is asked for if nobody says.
    """

    name: str
    question: str
    select: str
    columns: dict[str, str] = field(default_factory=dict)
    dialect: str = "dialect"
    since: str = ""
    since_days: int | None = None
    days: str = ""
    most_days: int | None = None
