"""The lake of a disturbed run against that of an undisturbed one: rows lost, doubled, different, and seconds."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from pipeline import batches, ledger, stage_list
from pipeline.lake.lake import Lake
from pipeline.settings import Settings

_OF_THE_RUN = {"batch", "landed_at", "ingested_at", "scored_at", "traceback", "attempts"}
"""Columns that say when and with which others a row was made."""


def compare(disturbed: Settings, undisturbed: Settings) -> dict[str, Any]:
    """Rows by table that are `lost`, `doubled` or `different`, and seconds that the ledger does not account for."""
    tables = {entry.table: _difference(entry.table, disturbed, undisturbed) for entry in stage_list.STAGES}
    return {
        "tables": tables,
        "lost": sum(table["lost"] for table in tables.values()),
        "doubled": sum(table["doubled"] for table in tables.values()),
        "seconds_undisturbed": _seconds(undisturbed),
        "seconds_disturbed": _seconds(disturbed),
        "leaks": [
            str(leak) for batch in batches.names(disturbed.root) for leak in ledger.leaks(_lake(disturbed), batch)
        ],
        "quarantined_undisturbed": _quarantined(undisturbed),
        "quarantined_disturbed": _quarantined(disturbed),
    }


def _difference(table: str, disturbed: Settings, undisturbed: Settings) -> dict[str, int]:
    """Rows are told apart by all that they say; of what differs, `lost` are those whose first id is nowhere."""
    there, here = _rows(table, undisturbed), _rows(table, disturbed)
    missing, surplus = there - here, here - there
    ids = {_id(row) for row in here}
    known = Counter(map(_id, there.elements()))
    counted = Counter(map(_id, here.elements()))
    return {
        "rows": sum(there.values()),
        "lost": sum(1 for row in missing.elements() if _id(row) not in ids),
        "doubled": sum(max(0, count - known[name]) for name, count in counted.items() if name in known),
        "surplus": sum(1 for row in surplus.elements() if _id(row) not in known),
        "different": sum(1 for row in missing.elements() if _id(row) in ids),
    }


def _rows(table: str, settings: Settings) -> Counter[str]:
    rows = (row for batch in batches.names(settings.root) for row in _lake(settings).rows(table, batch))
    plain = ({key: value for key, value in row.items() if key not in _OF_THE_RUN} for row in rows)
    return Counter(json.dumps(row, default=str).replace(str(settings.root), "") for row in plain)


def _id(row: str) -> str:
    return str(next(iter(json.loads(row).values())))


def _seconds(settings: Settings) -> dict[str, float]:
    """What the first stage was given, by outcome."""
    sums: Counter[str] = Counter()
    for batch in batches.names(settings.root):
        for row in _lake(settings).rows("ledger", ledger.partition(batch, stage_list.STAGES[0].name)):
            sums[row["outcome"]] += row["seconds"]
    return {outcome: round(seconds, 3) for outcome, seconds in sorted(sums.items())}


def _quarantined(settings: Settings) -> dict[str, str]:
    """Source to reason, of all stages."""
    return {
        f"{row['stage']} {row['source']}": row["reason"]
        for batch in batches.names(settings.root)
        for name in stage_list.names()
        for row in _lake(settings).rows("quarantine", ledger.partition(batch, name))
    }


def _lake(settings: Settings) -> Lake:
    return Lake(settings.lake)
