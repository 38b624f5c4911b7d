"""Stages that only pass rows on, with the names and tables of the real ones, and a batch of files that nobody opens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from benchmarks.clips_sound import CLIP_SECONDS
from pipeline.lake.rows import Row
from pipeline.lake.tables import TABLES
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, Resources, Stage, StageResult
from pipeline.stage_list import StageEntry


class PassOn(Stage):
    """One row a recording, with something in every column that must have something; all seconds pass."""

    version = "1"

    def __init__(self, entry: StageEntry) -> None:
        real = entry.stage_class
        self.name, self.reads, self.writes = entry.name, real.reads, entry.table
        self.over_files, self.compares = real.over_files, real.compares
        self.resources = Resources()

    def parameters(self) -> dict[str, Any]:
        return {}

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        name = recording.recording_id or recording.source
        row = {
            field.name: _value(field.type, name)
            for field in TABLES[self.writes]
            if not field.nullable and field.name not in ("batch", "provenance")
        }
        row |= {"recording_id": name}
        if self.over_files:
            row |= {"source": recording.source, "status": "ok", "duration": recording.duration}
            row |= {"dialect": recording.dialect, "collection": recording.collection, "sample_rate": 16_000}
        seconds = recording.duration
        return StageResult([row], [LedgerEntry("passed", seconds)], name, seconds if self.over_files else None)


def manifest(settings: Settings, count: int) -> None:
    """A batch of so many recordings of 4 s."""
    folder = settings.root / "batches"
    folder.mkdir(parents=True)
    entry = {"bytes": 1, "mtime_ns": 1, "duration": CLIP_SECONDS, "dialect": "cmn", "collection": "words"}
    lines = [json.dumps({"source": f"cmn/words/{number:06}.wav"} | entry) for number in range(count)]
    (folder / "b00001.jsonl").write_text("\n".join(lines) + "\n", encoding="ascii")


def _value(kind: pa.DataType, name: str) -> Any:
    if pa.types.is_string(kind):
        return name
    if pa.types.is_boolean(kind):
        return False
    if pa.types.is_timestamp(kind):
        return datetime.now(UTC)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return 1
    return [] if pa.types.is_list(kind) or pa.types.is_map(kind) else None
