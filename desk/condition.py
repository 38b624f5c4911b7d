"""A condition that a user wrote in SQL: only an expression over one row, answered by the query of `fangyan sql`."""

from __future__ import annotations

import json
import threading
from array import array
from collections import OrderedDict
from functools import lru_cache
from typing import Any

import duckdb

from desk.index import Index
from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.lake.query_result import CatalogError

MOST_ROWS = 100_000
_SECONDS = 30.0
_MEMORY = "512MB"
_KEPT = 16


class Conditions:
    """Places in the index of the segments that hold a condition; the last answers are kept, one is sought at a time."""

    def __init__(self, lake: Lake, index: Index) -> None:
        self._lake, self._index = lake, index
        self._asking = threading.Lock()
        self._answers: OrderedDict[tuple[str, int], array[int]] = OrderedDict()

    def places(self, condition: str) -> array[int]:
        """In order; raises CatalogError, also if it is no plain condition, takes too long or holds of too many."""
        check(condition)
        if not self._asking.acquire(timeout=_SECONDS):
            raise CatalogError("other conditions are being answered; try again in a moment")
        try:
            key = condition, self._index.version
            if key not in self._answers:
                self._answers[key] = self._ask(condition)
                while len(self._answers) > _KEPT:
                    self._answers.popitem(last=False)
            self._answers.move_to_end(key)
            return self._answers[key]
        finally:
            self._asking.release()

    def _ask(self, condition: str) -> array[int]:
        sql = f"{_around(condition)} LIMIT {MOST_ROWS + 1}"
        found = query(self._lake, sql, within_seconds=_SECONDS, memory=_MEMORY).rows
        if len(found) > MOST_ROWS:
            raise CatalogError(f"the condition holds of more than {MOST_ROWS:,} segments; narrow it")
        rows = self._index.rows(
            "SELECT place FROM segments WHERE segment_id IN (SELECT unnest($ids)) ORDER BY place",
            {"ids": [row[0] for row in found]},
        )
        return array("q", (row["place"] for row in rows))


@lru_cache(256)
def check(condition: str) -> None:
    """Raises CatalogError unless it is one expression over the columns of segments, without a query inside.

    What is asked of a row so can tell nothing of rows that may not be shown.
    """
    wanted, given = _parsed("true"), _parsed(condition)
    where = given["node"].pop("where_clause", None)
    wanted["node"].pop("where_clause")
    if _without_places(given) != _without_places(wanted) or _has_query(where):
        words = "give a condition over the columns of one segment, such as confidence < 0.8 AND duration > 5"
        raise CatalogError(f"{words}; a query inside is not answered here, `fangyan sql` does that")


def _around(condition: str) -> str:
    # The end of the line ends a comment, too.
    return f"SELECT segment_id FROM segments WHERE ({condition}\n)"


def _parsed(condition: str) -> dict[str, Any]:
    with duckdb.connect(":memory:") as connection:
        try:
            (text,) = connection.execute("SELECT json_serialize_sql($1)", [_around(condition)]).fetchone() or ("",)
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


def _has_query(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get("class") == "SUBQUERY" or any(map(_has_query, value.values()))
    return isinstance(value, list) and any(map(_has_query, value))
