"""What the last run decided over all batches, such as speaker ids and splits, and from what.

It stands while the settings behind it do. A run over the same content makes nothing anew, wherever its files lie.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.lake.files import replace_bytes
from pipeline.lake.lake import Lake

PARTITION = "all"
_DECIDED_BY = b"fangyan.decided_by"
_MADE_FROM = b"fangyan.made_from"


def name_of(*content: Any) -> str:
    """A hash that names what something was made from: values that JSON knows."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def stands(lake: Lake, table: str, decided_by: Mapping[str, Any]) -> bool:
    """Whether the last run decided under the same settings."""
    return lake.notes(table, PARTITION).get(_DECIDED_BY) == _text(decided_by)


def write(
    lake: Lake, table: str, partition: str, chunks: Iterable[pa.Table], decided_by: Mapping[str, Any], made_from: str
) -> None:
    """Replace a partition, with a note of the settings that decided it and of what it was made from."""

    def noted() -> Iterator[pa.Table]:
        for chunk in chunks:
            notes = {_DECIDED_BY: _text(decided_by), _MADE_FROM: made_from.encode()}
            yield chunk.replace_schema_metadata(dict(chunk.schema.metadata or {}) | notes)

    lake.write(table, partition, noted())


def report_of(lake: Lake, folder: Path, made_from: str, *partitions: tuple[str, str]) -> dict[str, Any] | None:
    """What the run reported that made these (table, partition) from just this; None if that was another run."""
    if any(lake.notes(*each).get(_MADE_FROM) != made_from.encode() for each in partitions):
        return None
    try:
        return json.loads(_report(folder, partitions[0][0]).read_bytes())[made_from]
    except (FileNotFoundError, ValueError, KeyError):
        return None


def keep_report(folder: Path, table: str, made_from: str, report: Mapping[str, Any]) -> None:
    """Keep what a run reported for `report_of`."""
    replace_bytes(_report(folder, table), json.dumps({made_from: report}).encode())


def _report(folder: Path, table: str) -> Path:
    return folder / f"{table}.json"


def _text(decided_by: Mapping[str, Any]) -> bytes:
    return json.dumps(decided_by, sort_keys=True).encode()
