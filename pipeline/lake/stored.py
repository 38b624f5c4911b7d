"""How rows lie in the files of the lake: in types that every library reads. A map is the text of a JSON object there.

In memory and in SQL it is a map again. Its column has another name in the files, so that DuckDB may read files with the
text and files of an older version, with a map, in one scan.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lake.tables import RENAMED, TABLES

_SUFFIX = "_json"


def stored_name(column: str) -> str:
    """What a column with a map is called in the files."""
    return column + _SUFFIX


def maps_of(schema: pa.Schema) -> list[str]:
    """Names of the columns that hold maps."""
    return [field.name for field in schema if pa.types.is_map(field.type)]


def to_stored(content: pa.Table) -> pa.Table:
    """Rows as they are written: each map as a JSON object in text, null where there is none."""
    for name in maps_of(content.schema):
        texts = [as_text(dict(cell)) if cell is not None else None for cell in content[name].to_pylist()]
        place, field = content.schema.get_field_index(name), content.schema.field(name)
        notes = dict(field.metadata or {})
        notes[b"description"] = notes.get(b"description", b"") + b", as a JSON object"
        stored = pa.field(stored_name(name), pa.string(), field.nullable, notes)
        content = content.set_column(place, stored, pa.array(texts, pa.string()))
    return content


def as_text(cell: dict[str, str | None]) -> str:
    """A map as it lies in a file."""
    return json.dumps(cell, ensure_ascii=False)


def as_map(text: str) -> dict[str, str | None] | None:
    """What `as_text` wrote; None for a text that is no JSON object of texts."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or not all(isinstance(value, str | None) for value in found.values()):
        return None
    return found


def stored_names(table: str, columns: Sequence[str]) -> list[str]:
    """What the files of a table, old ones included, may call `columns`."""
    before = [old for old, now in RENAMED.get(table, {}).items() if now in columns]
    return [*columns, *before, *(stored_name(name) for name in maps_of(TABLES[table]) if name in columns)]


def with_current_names(content: pa.Table, table: str) -> pa.Table:
    """What a file of a table holds, its columns with the names and types that they have in memory."""
    for name in maps_of(TABLES[table]):
        place = content.schema.get_field_index(stored_name(name))
        if place >= 0:
            cells = [list(json.loads(text).items()) if text else None for text in content.column(place).to_pylist()]
            field = TABLES[table].field(name)
            content = content.set_column(place, field, pa.array(cells, field.type))
    return content.rename_columns([RENAMED.get(table, {}).get(name, name) for name in content.column_names])


def is_outdated(file: pq.ParquetFile) -> bool:
    """Whether a file of an older version keeps `datasets` from reading it: by a map, or by a first row group without
    rows."""
    metadata = file.metadata
    empty = metadata.num_row_groups > 1 and metadata.row_group(0).num_rows == 0
    return empty or bool(maps_of(file.schema_arrow))
