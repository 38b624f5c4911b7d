"""Segments as they are now, for other tools and for what is read back from them."""

from __future__ import annotations

from pipeline.exchange.annotations import NOTES
from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.lake.rows import Row

_COLUMNS = (
    "segment_id",
    "recording_id",
    "source",
    "start",
    "end",
    "text",
    "dialect",
    "decision",
    "drop_reason",
    *NOTES,
)
KEPT = "decision = 'keep'"


def segments_now(lake: Lake, where: str = "") -> dict[str, Row]:
    """Rows of the view segments by id, in order of recording and start, with `speaker`: linked, or the label.

    `where` is SQL over the view. Raises CatalogError.
    """
    names = ", ".join(f'"{name}"' for name in _COLUMNS)
    answer = query(
        lake,
        f"SELECT {names}, coalesce(speaker_id, local_speaker, '') AS speaker FROM segments "
        f'WHERE (\n{where.strip() or "true"}\n) ORDER BY recording_id, start, "end"',
    )
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    return {row["segment_id"]: row for row in rows}


def durations(lake: Lake) -> dict[str, float]:
    """Seconds of each recording that the pipeline works on."""
    rows = lake.rows("recordings", None, ("recording_id", "duration", "status"))
    return {row["recording_id"]: row["duration"] or 0.0 for row in rows if row["status"] == "ok"}
