"""The check of what the dialect identifier heard: segments that sound like another dialect are to be reviewed."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.batch_runs import batch_check
from assets.resources import Workspace
from pipeline.lake.rows import Row

_COLUMNS = (
    *("segment_id", "dialect", "dialect_heard", "dialect_probability"),
    *("expected_probability", "not_judged", "review_reason"),
)


@batch_check("dialect_segments")
def dialect_as_named(workspace: Workspace, batch: str) -> dg.AssetCheckResult:
    """Segments sound like the dialect that their folder names; those that do not are listed, and keep its name."""
    facts = what_was_heard(workspace.lake().rows("segment_dialects", batch, _COLUMNS))
    passed = not facts["to_be_reviewed"]
    return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=facts)


def what_was_heard(rows: Sequence[Row]) -> dict[str, Any]:
    """Counts, the segments to be reviewed (least probable first), and why others were not judged."""
    judged = [row for row in rows if row["dialect_heard"]]
    reviewed = sorted((row for row in judged if row["review_reason"]), key=lambda row: row["expected_probability"])
    listed = [
        f"{row['segment_id']}: {row['dialect']}, heard as {row['dialect_heard']} "
        f"({row['dialect_probability']:.2f}): {row['review_reason']}"
        for row in reviewed[:50]
    ]
    return {
        "segments": len(rows),
        "judged": len(judged),
        "heard_as_named": sum(row["dialect_heard"] == row["dialect"] for row in judged),
        "to_be_reviewed": len(reviewed),
        "listed": listed,
        "not_judged": dict(Counter(row["not_judged"] for row in rows if row["not_judged"])),
        "all_of_them": "SELECT * FROM dialect_mismatches",
    }
