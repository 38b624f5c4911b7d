"""Lists of segments: by facet, by words, by a SQL condition, or a random sample; a page costs the same anywhere."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from desk import filters
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
_COUNTS_KEPT = 64
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
    try:
        chosen = filters.read(parameters)
        scope = _scope(desk, chosen)
        wrong = ""
    except (BadFilter, CatalogError) as error:
        chosen = filters.read(parameters.__class__({"where": parameters.get("where", "")[: filters.MOST_SQL]}))
        scope, wrong = ("false", {}), str(error)
    seed = _whole(parameters.get("sample"))
    after, before = _whole(parameters.get("after")), _whole(parameters.get("before"))
    rows, earlier, later = _page(desk, scope, seed, after, before)
    return render(
        request,
        "browse.html",
        400 if wrong else 200,
        rows=rows,
        chosen=chosen,
        wrong=wrong,
        facets=_facets(desk, chosen, scope),
        ranges=filters.RANGES,
        total=_counts(desk, scope)["total"],
        seconds=_counts(desk, scope)["seconds"],
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
        condition += " AND place IN (SELECT unnest($places))"
        parameters["places"] = desk.conditions.places(chosen.where).tolist()
    return condition, parameters


def _page(
    desk: Desk, scope: tuple[str, dict[str, Any]], seed: int | None, after: int | None, before: int | None
) -> tuple[list[Row], int | None, int | None]:
    """Rows, and the places before and after which the neighbouring pages are; None where there are none.

    A page begins where another ended and not at a number of rows, so the last costs what the first does.
    """
    condition, parameters = scope
    select = f"SELECT * FROM segments WHERE {condition}"
    if seed is not None:
        order = f"ORDER BY hash(segment_id || {seed}), place LIMIT {PAGE}"
        return desk.index.rows(f"{select} {order}", parameters), None, None
    if before is not None:
        rows = desk.index.rows(f"{select} AND place < {before} ORDER BY place DESC LIMIT {PAGE + 1}", parameters)
        more = len(rows) > PAGE
        rows = rows[:PAGE][::-1]
        return rows, rows[0]["place"] if rows and more else None, before - 1
    start = -1 if after is None else after
    rows = desk.index.rows(f"{select} AND place > {start} ORDER BY place LIMIT {PAGE + 1}", parameters)
    more = len(rows) > PAGE
    rows = rows[:PAGE]
    return rows, rows[0]["place"] if rows and after is not None else None, rows[-1]["place"] if rows and more else None


def _facets(desk: Desk, chosen: Filter, scope: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each facet its values with numbers of segments and the links that choose or free them."""
    counts = _counts(desk, scope)
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
    places = parameters.get("places")
    key = condition, desk.index.version, desk.allowed.version, None if places is None else hash(tuple(places))
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    columns = [filters.FACETS[name] for name in _COUNTED]
    sets = ", ".join(f"({column})" for column in columns)
    rows = desk.index.rows(
        f"SELECT {', '.join(columns)}, grouping({', '.join(columns)}) AS kind, count(*) AS count, "
        f"sum(duration) AS seconds FROM segments WHERE {condition} GROUP BY GROUPING SETS ((), {sets})",
        parameters,
    )
    counts: dict[str, Any] = {name: [] for name in _COUNTED} | {"total": 0, "seconds": 0.0}
    everything = 2 ** len(columns) - 1
    for row in rows:
        if row["kind"] == everything:
            counts["total"], counts["seconds"] = row["count"], row["seconds"] or 0.0
            continue
        (index,) = [i for i in range(len(columns)) if not row["kind"] >> (len(columns) - 1 - i) & 1]
        counts[_COUNTED[index]].append((row[columns[index]], row["count"]))
    for name in _COUNTED:
        counts[name].sort(key=lambda one: (-one[1], str(one[0])))
    with _lock:
        _kept[key] = counts
        while len(_kept) > _COUNTS_KEPT:
            _kept.popitem(last=False)
    return counts


_lock = threading.Lock()
_kept: OrderedDict[Any, dict[str, Any]] = OrderedDict()


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 16 else None


def _language(code: str | None) -> str:
    return dialects.REGISTRY[code].language_tag if code in dialects.REGISTRY else "zh"


ROUTES = [page("/browse", browse)]
