"""The answer of a catalog query, as a table for people and as JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import sys
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from rich.cells import cell_len

from pipeline.text.printable import formula_defused, printable

FORMATS = ("table", "json", "csv")
_NUMERIC = ("INT", "FLOAT", "DOUBLE", "DECIMAL")


class CatalogError(Exception):
    """The catalog cannot answer; the message says why and what to do."""


@dataclass(frozen=True)
class Result:
    """Rows of a query in order, with the columns' names and DuckDB types."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def render(result: Result, format: str = "table") -> None:
    """Print a result as `table`, `json` (a list of objects) or `csv`. Raises CatalogError for another format."""
    if format != "table":
        sys.stdout.write(as_text(result, format))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    sys.stdout.write(as_table(result, width))


def as_text(result: Result, format: str) -> str:
    """A result as `json` (a list of objects, one a line) or `csv`; bytes are shown by their number.

    JSON holds texts exactly. In CSV a text that a spreadsheet would compute, as it begins with = + - or @, gets an
    apostrophe in front. In both, control characters are written as escapes.
    """
    rows = [[_plain(value) for value in row] for row in result.rows]
    if format == "json":
        lines = [json.dumps(dict(zip(result.columns, row, strict=True)), ensure_ascii=False) for row in rows]
        return "[" + ",\n ".join(printable(line, escape=json.dumps) for line in lines) + "]\n"
    if format == "csv":
        sheet = io.StringIO()
        writer = csv.writer(sheet, lineterminator="\n")
        writer.writerow(_sheet_cell(name) for name in result.columns)
        writer.writerows([_sheet_cell(value) for value in row] for row in rows)
        return sheet.getvalue()
    raise CatalogError(f"unknown format {format!r}; choose one of {', '.join(FORMATS)}")


def as_table(result: Result, width: int | None = None) -> str:
    """A result in a box, and its number of rows; as one record below another where a box has more than `width` cells.

    Nothing is cut; control characters are written as escapes. A value of several lines is shown as such in a record.
    """
    names = [_one_line(name) for name in result.columns]
    rows = [[_cell(value) for value in row] for row in result.rows]
    lines = [[_one_line(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(names, *lines, strict=True)]
    count = f"{len(rows)} row{'' if len(rows) == 1 else 's'}\n"
    too_wide = width is not None and sum(widths) + 3 * len(widths) + 1 > width
    if rows and (too_wide or any("\n" in cell for row in rows for cell in row)):
        return _records(names, rows) + count
    numeric = [any(word in kind for word in _NUMERIC) and "[" not in kind for kind in result.types]
    return _box(names, lines, widths, numeric) + count


def _box(names: list[str], rows: list[list[str]], widths: list[int], numeric: list[bool]) -> str:
    def line(cells: list[str]) -> str:
        padded = []
        for cell, width, right in zip(cells, widths, numeric, strict=True):
            blanks = " " * (width - cell_len(cell))
            padded.append(blanks + cell if right else cell + blanks)
        return "│ " + " │ ".join(padded) + " │\n"

    def rule(left: str, middle: str, right: str) -> str:
        return left + middle.join("─" * (width + 2) for width in widths) + right + "\n"

    body = "".join(map(line, rows))
    return rule("┌", "┬", "┐") + line(names) + rule("├", "┼", "┤") + body + rule("└", "┴", "┘")


def _records(names: list[str], rows: list[list[str]]) -> str:
    longest = max(map(cell_len, names))
    lines = []
    for number, row in enumerate(rows, 1):
        lines.append(f"── {number} " + "─" * max(0, longest - len(str(number))))
        for name, cell in zip(names, row, strict=True):
            first, *others = [_one_line(part) for part in cell.split("\n")]
            label = name + " " * (longest - cell_len(name))
            lines += [f"{label}  {first}"] if not others else [name, first, *others]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    value = _plain(value)
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


def _one_line(text: str) -> str:
    return printable(text, keep="")


def _sheet_cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    return formula_defused(printable(value, keep="\n\t"))


def _plain(value: Any) -> Any:
    """A DuckDB value as JSON knows it."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return float(value)
        case UUID():
            return str(value)
    return str(value)
