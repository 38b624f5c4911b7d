"""What a list is narrowed to: the query string of the browse page, as one SQL condition over the segments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from pipeline.lake.views import literal, quoted

FACETS = {
    "dialect": "dialect",
    "collection": "collection",
    "decision": "decision",
    "split": "split",
    "tier": "tier",
    "reason": "drop_reason",
    "heard": "dialect_heard",
    "review": "review_reason",
    "text_source": "text_source",
    "speaker": "speaker_id",
}
"""Name in the query string: column of the index."""
RANGES = {
    "duration": ("duration", "Duration [s]"),
    "confidence": ("confidence", "Confidence"),
    "agreement": ("agreement", "Agreement"),
    "align": ("align_score", "Alignment"),
    "dnsmos": ("dnsmos_ovrl", "DNSMOS"),
    "snr": ("snr_db", "SNR [dB]"),
    "rate": ("speaking_rate", "Characters a second"),
    "heard_probability": ("dialect_probability", "Dialect heard"),
}
_MOST_WORDS = 8
_MOST_LETTERS = 200
MOST_SQL = 2000


class BadFilter(ValueError):
    """A filter cannot be read; the message says which and what it should be."""


@dataclass(frozen=True)
class Filter:
    """`chosen` are the names and values in the query string, `conditions` the same as SQL over table segments."""

    chosen: tuple[tuple[str, str], ...]
    conditions: tuple[str, ...]
    where: str = ""
    """A condition that somebody wrote in SQL, as it was written."""

    @property
    def sql(self) -> str:
        """All but `where` as one condition."""
        return " AND ".join(self.conditions) or "true"

    @property
    def as_written(self) -> str:
        """The whole as a condition for `fangyan sql` and `fangyan export`."""
        own = [f"({self.where})"] if self.where else []
        return " AND ".join([*self.conditions, *own])

    def link(self, without: Sequence[str] = (), **changed: str) -> str:
        """The browse page with these filters, but for some names, and others added."""
        kept = [(name, value) for name, value in self.chosen if name not in without and name not in changed]
        return "/browse?" + urlencode([*kept, *((name, value) for name, value in changed.items() if value)])

    def value(self, name: str) -> str:
        return dict(self.chosen).get(name, "")


def read(parameters: QueryParams) -> Filter:
    """The filters of a query string; raises BadFilter. A facet that is given empty stands for rows without a value."""
    chosen: list[tuple[str, str]] = []
    conditions = []
    for name, column in FACETS.items():
        value = parameters.get(name)
        if value is None or (not value and f"{name}_none" not in parameters):
            continue
        chosen.append((name, value))
        conditions.append(f"{quoted(column)} = {literal(value)}")
    for name, column in FACETS.items():
        if f"{name}_none" in parameters:
            chosen.append((f"{name}_none", "1"))
            conditions.append(f"{quoted(column)} IS NULL")
    for name, (column, words) in RANGES.items():
        for side, sign in (("min", ">="), ("max", "<=")):
            value = parameters.get(f"{name}_{side}", "").strip()
            if value:
                chosen.append((f"{name}_{side}", value))
                conditions.append(f"{quoted(column)} {sign} {_number(value, words)}")
    words = parameters.get("q", "").strip()[:_MOST_LETTERS]
    if words:
        chosen.append(("q", words))
        conditions += [_has(word) for word in words.split()[:_MOST_WORDS]]
    where = parameters.get("where", "").strip()
    if len(where) > MOST_SQL:
        raise BadFilter(f"the SQL condition has {len(where)} characters; at most {MOST_SQL}")
    if where:
        chosen.append(("where", where))
    return Filter(tuple(chosen), tuple(conditions), where)


def _has(word: str) -> str:
    """In the text, in the path of the file, or the id of segment or recording."""
    word = literal(word)
    return (
        f"(contains(lower(text), lower({word})) OR contains(source, {word}) "
        f"OR segment_id = {word} OR recording_id = {word})"
    )


def _number(text: str, words: str) -> str:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadFilter(f"{words}: {text[:40]!r} is no number")
    return repr(value)
