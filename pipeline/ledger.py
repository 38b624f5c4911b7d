"""The ledger conserves time: seconds in = passed + dropped (by reason) + quarantined, per file and stage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline import stage_list
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.stage import LedgerEntry

TOLERANCE_SECONDS = 1e-3


def partition(batch: str, stage: str) -> str:
    """The ledger's and quarantine's partition of one stage in one batch."""
    return f"{batch}.{stage}"


def imbalance(entries: Iterable[LedgerEntry], seconds_in: float) -> float:
    """How far the entries are from what came in, in seconds."""
    return abs(sum(entry.seconds for entry in entries) - seconds_in)


@dataclass(frozen=True)
class Leak:
    """A file whose seconds do not add up at a stage."""

    source: str
    stage: str
    seconds_in: float
    seconds_accounted: float


def leaks(lake: Lake, batch: str, stages: Sequence[str] | None = None) -> list[Leak]:
    """Every (file, stage) of a batch where the seconds that a stage accounts for differ from those passed to it.

    `stages` are the first ones in order, by default all.
    """
    durations = {
        row["source"]: row["duration"] or 0.0 for row in lake.rows("recordings", batch, ("source", "duration"))
    }
    expected: dict[str, float] = durations
    found = []
    for stage in stages or stage_list.names():
        if not lake.path("ledger", partition(batch, stage)).exists():
            break
        accounted: dict[str, float] = defaultdict(float)
        passed: dict[str, float] = defaultdict(float)
        for row in lake.rows("ledger", partition(batch, stage)):
            accounted[row["source"]] += row["seconds"]
            if row["outcome"] == "passed":
                passed[row["source"]] += row["seconds"]
        for source in expected.keys() | accounted.keys():
            seconds = expected.get(source, 0.0)
            if abs(seconds - accounted[source]) > TOLERANCE_SECONDS:
                found.append(Leak(source, stage, seconds, accounted[source]))
        expected = passed
    return found


def lost_by_reason(rows: Iterable[Row]) -> dict[str, float]:
    """Seconds dropped or quarantined by `outcome:reason`, largest first."""
    lost: dict[str, float] = defaultdict(float)
    for row in rows:
        if row["outcome"] != "passed":
            lost[f"{row['outcome']}:{row['reason']}"] += row["seconds"]
    return dict(sorted(lost.items(), key=lambda item: -item[1]))
