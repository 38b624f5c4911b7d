"""Stages that need no model: each passes on all that it is given, with one row a recording in a table of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.lake.rows import Row
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, Resources, Stage, StageResult
from pipeline.stage_list import StageEntry

SCHEMA = pa.schema(
    [
        pa.field(name, kind, nullable=False, metadata={"description": f"The {name}"})
        for name, kind in [
            ("recording_id", pa.string()),
            ("seconds", pa.float64()),
            ("rows_read", pa.int64()),
            ("batch", pa.string()),
            ("provenance", pa.string()),
        ]
    ],
    metadata={"description": "What a toy stage was given"},
)


class Count(Stage):
    """Writes how long a recording is and how many rows of other tables came with it."""

    name = "count"
    version = "1"
    writes = "counts"
    resources = Resources()

    def __init__(self, settings: Settings) -> None:
        self.bound = settings.ingest.min_seconds

    def parameters(self) -> dict[str, Any]:
        return {}

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        read = sum(map(len, rows.values()))
        row = {"recording_id": recording.recording_id, "seconds": recording.duration, "rows_read": read}
        return StageResult([row], [LedgerEntry("passed", recording.duration)])


class Recount(Count):
    """The same once more, after Count, of whose table it reads."""

    name = "recount"
    reads = ("recordings", "counts")
    writes = "recounts"


COUNT = StageEntry("count", "toy_stages:Count", "counts", "recording_counts", "disk", "How long each recording is.")
RECOUNT = StageEntry("recount", "toy_stages:Recount", "recounts", "recounts", "disk", "The same once more.", ("toy",))
