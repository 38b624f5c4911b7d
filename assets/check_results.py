"""Which asset checks failed in the runs since a moment: for people at the command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg


@dataclass(frozen=True)
class FailedCheck:
    """A check that did not pass; `blocking` means that what follows was not made."""

    asset: str
    check: str
    partition: str
    blocking: bool
    description: str


def failed_checks(instance: dg.DagsterInstance, since: float) -> list[FailedCheck]:
    """Failed checks of runs that began after `since` (epoch seconds), oldest first."""
    runs = instance.get_runs(dg.RunsFilter(created_after=datetime.fromtimestamp(since, UTC)))
    found = []
    for run in reversed(runs):
        records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
        for record in records:
            evaluation = record.event_log_entry.get_dagster_event().asset_check_evaluation_data
            if not evaluation.passed:
                found.append(_failed(evaluation, run.tags.get("dagster/partition", "")))
    return found


def _failed(evaluation: dg.AssetCheckEvaluation, partition: str) -> FailedCheck:
    facts = (f"{key}: {_short(value.value)}" for key, value in evaluation.metadata.items() if value.value)
    return FailedCheck(
        asset=evaluation.asset_key.to_user_string(),
        check=evaluation.check_name,
        partition=partition,
        blocking=bool(evaluation.blocking),
        description=evaluation.description or "; ".join(facts),
    )


def _short(value: object, most: int = 120) -> str:
    text = str(value)
    return text if len(text) <= most else text[: most - 1] + "…"
