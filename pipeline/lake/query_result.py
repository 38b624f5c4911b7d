"""The answer of a catalog query, as a table for people and as JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

FORMATS = ("table", "json", "csv")


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
    if format == "table":
        _print_table(result)
    else:
        sys.stdout.write(as_text(result, format))


def as_text(result: Result, format: str) -> str:
    """A result as `json` (a list of objects, one a line) or `csv`; bytes are shown by their number."""
    rows = [[_plain(value) for value in row] for row in result.rows]
    if format == "json":
        lines = [json.dumps(dict(zip(result.columns, row, strict=True)), ensure_ascii=False) for row in rows]
        return "[" + ",\n ".join(lines) + "]\n"
    if format == "csv":
        sheet = io.StringIO()
        writer = csv.writer(sheet, lineterminator="\n")
        writer.writerow(result.columns)
        for row in rows:
            writer.writerow(
                json.dumps(cell, ensure_ascii=False) if isinstance(cell, list | dict) else cell for cell in row
            )
        return sheet.getvalue()
    raise CatalogError(f"unknown format {format!r}; choose one of {', '.join(FORMATS)}")


def _print_table(result: Result) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    numeric = ("INT", "FLOAT", "DOUBLE", "DECIMAL")
    for name, kind in zip(result.columns, result.types, strict=True):
        table.add_column(name, justify="right" if any(word in kind for word in numeric) and "[" not in kind else "left")
    for row in result.rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = Console()
    console.print(table)
    console.print(f"{len(result.rows)} row{'' if len(result.rows) == 1 else 's'}")


def _cell(value: Any) -> str:
    value = _plain(value)
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


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
