"""What the catalog shows of heard dialects: columns of segments, and the view of those to be reviewed."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.query import query


def heard(name: str, dialect_heard: str | None, **facts: Any) -> dict[str, Any]:
    row = {
        "segment_id": name,
        "recording_id": "r1",
        "batch": "b1",
        "start": 0.0,
        "end": 360.0,
        "dialect": "yue",
        "dialect_heard": dialect_heard,
        "dialect_probability": 0.9 if dialect_heard else None,
        "expected_probability": 0.05,
        "dialect_spans": [{"start": 0.0, "end": 360.0, "dialect": dialect_heard or "yue", "probability": 0.9}],
        "provenance": "p",
    }
    return row | facts


def test_segments_show_what_was_heard(lake: Lake):
    lake.write("segment_dialects", "b1", [heard("s1", "cmn", review_reason="dialect_mismatch")])
    found = query(lake, "SELECT segment_id, dialect, dialect_heard, review_reason FROM segments ORDER BY 1").rows
    assert found == [
        ("s1", "yue", "cmn", "dialect_mismatch"),  # the folder's name stands
        ("s2", "yue", None, None),
        ("s3", "yue", None, None),
    ]


def test_the_view_of_mismatches_lists_kept_segments_with_their_file(lake: Lake):
    rows = [heard("s1", "cmn", review_reason="dialect_mismatch"), heard("s2", "cmn", review_reason="dialect_mismatch")]
    lake.write("segment_dialects", "b1", rows)
    found = query(lake, "SELECT segment_id, source, dialect_heard, expected_probability FROM dialect_mismatches").rows
    assert found == [("s1", "yue/radio/r1.wav", "cmn", pytest.approx(0.05))]


def test_without_an_identifier_the_views_are_there_and_empty(lake: Lake):
    assert query(lake, "SELECT * FROM dialect_mismatches").rows == []
    assert query(lake, "SELECT DISTINCT dialect_heard FROM segments").rows == [(None,)]
