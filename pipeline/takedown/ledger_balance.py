"""The ledger after a withdrawal in part: seconds that a stage had passed on and that are gone become dropped ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline import ledger, stage_list
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.takedown.extents import Withdrawal, WithdrawalExtent

WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Rebalance:
    """The ledger of a file withdrawn in part, after it: `passed` seconds of the stage stay, `withdrawn` are dropped."""

    partition: str
    source: str
    stage: str
    passed: float
    withdrawn: float


def rebalances(lake: Lake, extents: Iterable[WithdrawalExtent]) -> Iterator[Rebalance]:
    """For files withdrawn in part: what their last stage passed on and no longer does."""
    partly = {source: one for one in extents if not one.whole for source in one.sources}
    if not partly:
        return
    withdrawal = Withdrawal({one.recording_id: one for one in partly.values()})
    for batch in lake.partitions("recordings"):
        last: dict[str, tuple[str, list[Row]]] = {}
        for stage in stage_list.names():
            rows: dict[str, list[Row]] = defaultdict(list)
            for row in lake.rows("ledger", ledger.partition(batch, stage)):
                rows[row["source"]].append(row)
            last |= {source: (stage, rows[source]) for source in partly if source in rows}
        for source, (stage, rows_of) in last.items():
            passed = sum(row["seconds"] for row in rows_of if row["outcome"] == "passed")
            before = sum(row["seconds"] for row in rows_of if row["reason"] == WITHDRAWN)
            gone = _passed_on(lake, stage, batch, partly[source].recording_id, withdrawal)
            gone = min(passed, gone)
            if gone > 0.0:
                yield Rebalance(ledger.partition(batch, stage), source, stage, passed - gone, before + gone)


def balance(lake: Lake, changes: Iterable[Rebalance]) -> None:
    """Write the changes into the ledger, so that it adds up; may be repeated."""
    for one in changes:
        rows = lake.rows("ledger", one.partition)
        own = [row for row in rows if row["source"] == one.source]
        if not own:
            continue
        shared = {key: own[0][key] for key in ("source", "recording_id", "batch", "stage", "provenance")}
        kept = [row for row in rows if row["source"] != one.source]
        kept += [row for row in own if row["outcome"] != "passed" and row["reason"] != WITHDRAWN]
        if one.passed > 0.0:
            kept.append(shared | {"outcome": "passed", "reason": "", "seconds": one.passed})
        kept.append(shared | {"outcome": "dropped", "reason": WITHDRAWN, "seconds": one.withdrawn})
        lake.write("ledger", one.partition, kept)


def _passed_on(lake: Lake, stage: str, batch: str, recording_id: str, withdrawal: Withdrawal) -> float:
    """Seconds of the rows that go, as the stage counted them for its ledger."""
    table = stage_list.entry_of(stage).table
    if stage == "ingest":
        return 0.0
    rows = lake.of_recording(table, batch, recording_id)
    rows = rows.drop_columns([name for name in ("audio", "embedding", "metadata") if name in rows.column_names])
    return sum(
        row["end"] - row["start"] if row.get("covered_seconds") is None else row["covered_seconds"]
        for row in rows.to_pylist()
        if row.get("decision", "keep") == "keep" and withdrawal.of_row(table, row) is not None
    )
