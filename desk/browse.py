"""Lists of segments: by facet, by words, by a SQL condition, or a random sample; a page costs the same anywhere."""

from __future__ import annotations

import secrets
from typing import Any

import duckdb
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from desk import filters
from desk.condition import SECONDS
from desk.filters import BadFilter, Filter
from desk.overview import names_of
from desk.pages import render
from desk.routes import page
from desk.state import Desk
from pipeline.lake.query_result import CatalogError
from pipeline.lake.rows import Row
from pipeline.text import dialects

PAGE = 50
_COUNTED = [name for name in filters.FACETS if name != "speaker"]
_SHOWN_VALUES = 12
_TITLES = {
    "dialect": "Dialect",
    "collection": "Collection",
    "decision": "In the corpus",
    "split": "Split",
    "tier": "Tier",
    "reason": "Dropped because",
    "heard": "Dialect heard",
    "review": "To be reviewed",
    "text_source": "Text",
}


def browse(request: Request) -> Response:
    """One page of segments, with what they can be narrowed to."""
    desk: Desk = request.app.state.desk
    parameters = request.query_params
    seed = _whole(parameters.get("sample"))
    after, before = _whole(parameters.get("after")), _whole(parameters.get("before"))
    wrong = ""
    try:
        chosen = filters.read(parameters)
        scope = _scope(desk, chosen)
        rows, earlier, later = _page(desk, scope, seed, after, before)
        counts = _counts(desk, scope)
    except (BadFilter, CatalogError, duckdb.Error) as error:
        chosen = filters.read(QueryParams({"where": parameters.get("where", "")[: filters.MOST_SQL]}))
        wrong = f"it took longer than {SECONDS:.0f} s" if isinstance(error, duckdb.InterruptException) else str(error)
        rows, earlier, later, counts = [], None, None, _NOTHING
    return render(
        request,
        "browse.html",
        400 if wrong else 200,
        rows=rows,
        chosen=chosen,
        wrong=wrong,
        facets=_facets(chosen, counts),
        ranges=filters.RANGES,
        total=counts["total"],
        seconds=counts["seconds"],
        sample=seed,
        next_sample=secrets.randbelow(10**6),
        earlier=earlier,
        later=later,
        names=names_of([row["dialect"] for row in rows]),
        language=_language,
        page_size=PAGE,
    )


def _scope(desk: Desk, chosen: Filter) -> tuple[str, dict[str, Any]]:
    """A condition over the index for what was chosen and may be shown, and its parameters."""
    parameters: dict[str, Any] = {}
    condition = f"({chosen.sql})"
    refused = desk.refused()
    if refused:
        condition += " AND recording_id NOT IN (SELECT unnest($refused))"
        parameters["refused"] = refused
    if chosen.where:
        own, named = desk.conditions.over_index(chosen.where)
        condition += f" AND {own}"
        parameters |= named
    return condition, parameters


def _page(
    desk: Desk, scope: tuple[str, dict[str, Any]], seed: int | None, after: int | None, before: int | None
) -> tuple[list[Row], int | None, int | None]:
    """Rows, and the places before and after which the neighbouring pages are; None where there are none.

    A page begins where another ended and not at a number of rows, so the last costs what the first does.
    """
    if seed is not None:
        return _rows(desk, scope, f"ORDER BY hash(segment_id || {seed}), ordinal LIMIT {PAGE}"), None, None
    if before is not None:
        rows = _rows(desk, scope, f"AND ordinal < {before} ORDER BY ordinal DESC LIMIT {PAGE + 1}")
        more = len(rows) > PAGE
        rows = rows[:PAGE][::-1]
        return rows, rows[0]["ordinal"] if rows and more else None, before - 1
    start = -1 if after is None else after
    rows = _rows(desk, scope, f"AND ordinal > {start} ORDER BY ordinal LIMIT {PAGE + 1}")
    more = len(rows) > PAGE
    rows = rows[:PAGE]
    earlier = rows[0]["ordinal"] if rows and after is not None else None
    return rows, earlier, rows[-1]["ordinal"] if rows and more else None


def _rows(desk: Desk, scope: tuple[str, dict[str, Any]], order: str) -> list[Row]:
    """Whole rows in the order given; which they are is found by the columns that the condition names alone."""
    condition, parameters = scope
    found = desk.index.scan(f"SELECT ordinal FROM segments WHERE {condition} {order}", parameters, SECONDS)
    ordinals = [row["ordinal"] for row in found]
    rows = desk.index.rows("SELECT * FROM segments WHERE ordinal IN (SELECT unnest($1))", [ordinals])
    by_ordinal = {row["ordinal"]: row for row in rows}
    return [by_ordinal[ordinal] for ordinal in ordinals]


def _facets(chosen: Filter, counts: dict[str, Any]) -> list[dict[str, Any]]:
    """Of each facet its values with numbers of segments and the links that choose or free them."""
    shown = []
    for name in _COUNTED:
        values = []
        is_chosen = bool(chosen.value(name) or chosen.value(f"{name}_none"))
        for value, count in counts[name][:_SHOWN_VALUES]:
            names = (name, f"{name}_none")
            link = chosen.link(names) if is_chosen else chosen.link((), **{name if value else names[1]: value or "1"})
            values.append({"value": value or "none", "count": count, "link": link})
        more = max(0, len(counts[name]) - _SHOWN_VALUES)
        if is_chosen or any(value for value, _ in counts[name]):
            shown.append({"name": name, "title": _TITLES[name], "values": values, "chosen": is_chosen, "more": more})
    return shown


def _counts(desk: Desk, scope: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Numbers of segments by value of each facet, `total` and `seconds`; the last are kept."""
    condition, parameters = scope
    key = condition, desk.index.version, desk.allowed.version, hash(tuple(parameters.get("named", ())))
    known = desk.counts.get(key)
    if known is not None:
        return known
    columns = [filters.FACETS[name] for name in _COUNTED]
    sets = ", ".join(f"({column})" for column in columns)
    rows = desk.index.scan(
        f"SELECT {', '.join(columns)}, grouping({', '.join(columns)}) AS kind, count(*) AS count, "
        f"sum(duration) AS seconds FROM segments WHERE {condition} GROUP BY GROUPING SETS ((), {sets})",
        parameters,
        SECONDS,
    )
    counts = _NOTHING | {name: [] for name in _COUNTED}
    everything = 2 ** len(columns) - 1
    for row in rows:
        if row["kind"] == everything:
            counts["total"], counts["seconds"] = row["count"], row["seconds"] or 0.0
            continue
        (index,) = [i for i in range(len(columns)) if not row["kind"] >> (len(columns) - 1 - i) & 1]
        counts[_COUNTED[index]].append((row[columns[index]], row["count"]))
    for name in _COUNTED:
        counts[name].sort(key=lambda one: (-one[1], str(one[0])))
    desk.counts.put(key, counts)
    return counts


_NOTHING: dict[str, Any] = {name: [] for name in _COUNTED} | {"total": 0, "seconds": 0.0}


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 16 else None


def _language(code: str | None) -> str:
    return dialects.REGISTRY[code].language_tag if code in dialects.REGISTRY else "zh"


ROUTES = [page("/browse", browse)]
