"""Published figures as a table per benchmark: a row each system, a column each subset and metric, sources numbered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Board:
    """One benchmark. `rows`: system and for each column its (value, number of the source) pairs, none where unknown."""

    benchmark: str
    columns: list[str]
    rows: list[tuple[str, list[list[tuple[str, int]]]]]
    sources: list[str]


def boards(figures: Sequence[Mapping[str, Any]]) -> list[Board]:
    """In the order of `figures`, whose keys are system, benchmark, subset, metric, value, unit, source."""
    return [
        _board(name, [row for row in figures if row["benchmark"] == name])
        for name in dict.fromkeys(row["benchmark"] for row in figures)
    ]


def _board(name: str, rows: Sequence[Mapping[str, Any]]) -> Board:
    columns = list(dict.fromkeys(map(_column, rows)))
    sources = list(dict.fromkeys(str(row["source"]) for row in rows))
    cells: dict[str, dict[str, list[tuple[str, int]]]] = {}
    for row in rows:
        found = cells.setdefault(str(row["system"]), {}).setdefault(_column(row), [])
        found.append((str(row["value"]), sources.index(str(row["source"])) + 1))
    table = [(system, [found.get(column, []) for column in columns]) for system, found in cells.items()]
    return Board(str(name), columns, table, sources)


def _column(row: Mapping[str, Any]) -> str:
    unit = f", {row['unit']}" if row.get("unit") else ""
    return f"{row.get('subset') or ''} {row['metric']}{unit}".strip()
