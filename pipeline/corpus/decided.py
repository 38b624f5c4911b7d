"""What the last run decided over all batches, such as speaker ids and splits, stands while the settings behind it do.

Tables speakers and corpus are small next to the segments and are made anew each time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow.parquet as pq

from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row, to_table
from pipeline.lake.storage import readable

PARTITION = "all"
_DECIDED_BY = b"fangyan.decided_by"
_RECORDING_COLUMNS = (
    "source",
    "recording_id",
    "batch",
    "dialect",
    "status",
    "consent_id",
    "metadata",
    "file_sha256",
    "audio_sha256",
)


def recordings(lake: Lake) -> dict[str, Row]:
    """Rows of the recordings that the pipeline works on, by recording_id."""
    rows = lake.rows("recordings", None, _RECORDING_COLUMNS)
    return {row["recording_id"]: row for row in rows if row["status"] == "ok"}


def current_rows(lake: Lake, table: str, decided_by: Mapping[str, Any]) -> list[Row]:
    """What the last run decided under the same settings; nothing under others."""
    file = lake.path(table, PARTITION)
    if not file.exists():
        return []
    notes = pq.read_schema(readable(file)).metadata or {}
    if notes.get(_DECIDED_BY) != json.dumps(decided_by, sort_keys=True).encode():
        return []
    return lake.rows(table, PARTITION)


def write(lake: Lake, table: str, rows: Sequence[Row], decided_by: Mapping[str, Any]) -> None:
    """Replace the table, with a note of the settings that decided it."""
    content = to_table(table, rows)
    notes = dict(content.schema.metadata or {}) | {_DECIDED_BY: json.dumps(decided_by, sort_keys=True).encode()}
    lake.write(table, PARTITION, iter([content.replace_schema_metadata(notes)]))
