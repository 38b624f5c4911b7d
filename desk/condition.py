"""A condition that a user wrote in SQL: one expression over the columns of one segment, and nothing else.

What is asked of a row so can tell nothing of rows that may not be shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import duckdb

from desk.index import Index
from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.lake.query_result import CatalogError

SECONDS = 20.0
"""A condition may take so long."""
_MOST_SEGMENTS = 200_000
"""With more, what is not in the index is not sought in the files."""
_MEMORY = "512MB"


class Conditions:
    """Turns a condition into one over the index."""

    def __init__(self, lake: Lake, index: Index) -> None:
        self._lake, self._index = lake, index

    def over_index(self, condition: str) -> tuple[str, dict[str, Any]]:
        """A condition over the index and its parameters. Raises CatalogError if it is none, or cannot be answered.

        One over columns that the index lacks is answered from the lake, by the query of `fangyan sql`.
        """
        missing = check(condition) - self._index.columns()
        if not missing:
            self._try(condition)
            return f"({condition}\n)", {}
        (count,) = self._index.rows("SELECT count(*) AS count FROM segments")
        if count["count"] > _MOST_SEGMENTS:
            words = (
                f"{', '.join(sorted(missing))}: not a column that the desk seeks by among {count['count']:,} segments"
            )
            raise CatalogError(f"{words}; there are {', '.join(sorted(self._index.columns()))}")
        found = query(self._lake, _around(condition), within_seconds=SECONDS, memory=_MEMORY).rows
        return "segment_id IN (SELECT unnest($named))", {"named": [row[0] for row in found]}

    def _try(self, condition: str) -> None:
        try:
            self._index.rows(f"EXPLAIN {_around(condition)}")
        except duckdb.Error as error:
            raise CatalogError(str(error)) from None


@lru_cache(256)
def check(condition: str) -> frozenset[str]:
    """The columns that a condition names; raises CatalogError unless it is one expression without a query inside."""
    # By itself and in brackets: `a) OR (b` is one expression in brackets alone, `a /*` by itself alone.
    where = None
    is_plain = True
    for start, end in (("", ""), ("(", "\n)")):
        wanted, given = _parsed(f"{start}true{end}"), _parsed(f"{start}{condition}{end}")
        where = given["node"].pop("where_clause", None)
        wanted["node"].pop("where_clause")
        is_plain &= _without_places(given) == _without_places(wanted)
    parts = list(_parts(where))
    if not is_plain or any(part.get("class") in ("SUBQUERY", "PARAMETER") for part in parts):
        words = "give a condition over the columns of one segment, such as confidence < 0.8 AND duration > 5"
        raise CatalogError(f"{words}; a query inside is not answered here, `fangyan sql` does that")
    names = [part["column_names"] for part in parts if part.get("class") == "COLUMN_REF"]
    return frozenset(name[1 if name[0] == "segments" and len(name) > 1 else 0].lower() for name in names)


def _around(condition: str) -> str:
    # The end of the line ends a comment, too.
    return f"SELECT segment_id FROM segments WHERE ({condition}\n)"


def _parsed(condition: str) -> dict[str, Any]:
    statement = f"SELECT segment_id FROM segments WHERE {condition}"
    with duckdb.connect(":memory:") as connection:
        try:
            (text,) = connection.execute("SELECT json_serialize_sql($1)", [statement]).fetchone() or ("",)
        except duckdb.Error as error:
            raise CatalogError(str(error)) from None
    answer = json.loads(text)
    if answer.get("error"):
        raise CatalogError(str(answer.get("error_message", "the condition cannot be read")))
    if len(answer["statements"]) != 1:
        raise CatalogError("give one condition, without a semicolon")
    return answer["statements"][0]


def _without_places(value: Any) -> Any:
    """A parsed statement without where each part stood in the text."""
    if isinstance(value, dict):
        return {name: _without_places(one) for name, one in value.items() if name != "query_location"}
    return [_without_places(one) for one in value] if isinstance(value, list) else value


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """All parts of a parsed expression."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _parts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _parts(one)
