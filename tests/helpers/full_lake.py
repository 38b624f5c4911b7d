"""A lake in which every table has rows, in each of its columns, made from the schemas alone."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile

from pipeline.lake.lake import Lake
from pipeline.lake.rows import to_table
from pipeline.lake.tables import TABLES

RATE = 16_000


def tone(hertz: float = 200.0, seconds: float = 0.5) -> bytes:
    """A FLAC file, mono at RATE."""
    sink = io.BytesIO()
    times = np.arange(round(RATE * seconds)) / RATE
    soundfile.write(sink, 0.3 * np.sin(2 * np.pi * hertz * times), RATE, format="FLAC")
    return sink.getvalue()


def full_lake(folder: Path, rows: int = 3) -> Lake:
    """`rows` rows in one partition of every table, each row a chunk of its own as a stage writes them."""
    lake, sound = Lake(folder), tone()
    for name, schema in TABLES.items():
        made = [
            {field.name: _value(field.type, field.name, number, sound) for field in schema} for number in range(rows)
        ]
        lake.write(name, "b00001", iter([schema.empty_table(), *(to_table(name, [row]) for row in made)]))
    return lake


def _value(kind: pa.DataType, name: str, number: int, sound: bytes) -> Any:
    types = pa.types
    if name == "audio":
        return {"bytes": sound, "path": f"{number}.flac"}
    if types.is_map(kind):
        return {"region": "天津", "说明": 'he said "\\yes\\"\n', "none": None}
    if types.is_struct(kind):
        return {field.name: _value(field.type, field.name, number, sound) for field in kind}
    if types.is_list(kind):
        return [_value(kind.value_type, name, number, sound)] * 2
    if types.is_timestamp(kind):
        return datetime(2026, 11, 1 + number, tzinfo=UTC)
    if types.is_date(kind):
        return date(2026, 11, 1 + number)
    if types.is_boolean(kind):
        return number % 2 == 0
    if types.is_integer(kind):
        return number
    return float(number) if types.is_floating(kind) else f"{name} {number}"
