"""A row as a dictionary, and rows to Arrow tables and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipeline.lake.tables import TABLES

Row = dict[str, Any]


class RowsDoNotFit(Exception):
    """Rows do not have the columns or types of their table; the message names table and column."""


def to_table(name: str, rows: Sequence[Row]) -> pa.Table:
    """Rows as an Arrow table with the schema of table `name`; a missing column becomes null. Raises RowsDoNotFit."""
    schema = TABLES[name]
    surplus = sorted({key for row in rows for key in row} - set(schema.names))
    if surplus:
        raise RowsDoNotFit(f"table {name}: unknown columns {', '.join(surplus)}")
    columns = []
    for field in schema:
        try:
            column = pa.array([row.get(field.name) for row in rows], type=field.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
            raise RowsDoNotFit(f"table {name}, column {field.name}: {error}") from error
        if column.null_count and not field.nullable:
            raise RowsDoNotFit(f"table {name}, column {field.name}: null is not allowed")
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def to_rows(table: pa.Table) -> list[Row]:
    """A table's rows as dictionaries, its map columns as dictionaries too."""
    maps = [field.name for field in table.schema if pa.types.is_map(field.type)]
    rows = table.to_pylist()
    for row in rows:
        for name in maps:
            row[name] = dict(row[name] or ())
    return rows
