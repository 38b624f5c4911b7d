"""Published figures as a table per benchmark: systems against subsets and metrics, sources numbered below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_Cell = list[tuple[str, int]]


@dataclass(frozen=True)
class Board:
    """One benchmark; `rows` have a name and, for each column, its (value, number of the source) pairs.

    Systems are the rows, or the columns where they are fewer than the subsets and metrics.
    """

    benchmark: str
    columns: list[str]
    rows: list[tuple[str, list[_Cell]]]
    sources: list[str]


def boards(figures: Sequence[Mapping[str, Any]]) -> list[Board]:
    """In the order of `figures`, whose keys are system, benchmark, subset, metric, value, unit, source and note."""
    return [
        _board(name, [row for row in figures if row["benchmark"] == name])
        for name in dict.fromkeys(row["benchmark"] for row in figures)
    ]


def _board(name: str, rows: Sequence[Mapping[str, Any]]) -> Board:
    sources = list(dict.fromkeys(map(_source, rows)))
    cells: dict[tuple[str, str], _Cell] = {}
    for row in rows:
        found = cells.setdefault((str(row["system"]), _measured(row)), [])
        found.append((str(row["value"]), sources.index(_source(row)) + 1))
    systems = list(dict.fromkeys(system for system, _ in cells))
    measured = list(dict.fromkeys(what for _, what in cells))
    if len(measured) > len(systems):
        turned = [(what, [cells.get((system, what), []) for system in systems]) for what in measured]
        return Board(str(name), systems, turned, sources)
    table = [(system, [cells.get((system, what), []) for what in measured]) for system in systems]
    return Board(str(name), measured, table, sources)


def _measured(row: Mapping[str, Any]) -> str:
    unit = f", {row['unit']}" if row.get("unit") else ""
    return f"{row.get('subset') or ''} {row['metric']}{unit}".strip()


def _source(row: Mapping[str, Any]) -> str:
    note = row.get("note")
    return f"{row['source']}: {note}" if note else str(row["source"])
