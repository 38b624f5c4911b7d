"""Which voices of a validation set are compared with which, and the rows of their differences, paired by utterance.

A voice over its base has no condition; any other pair has `over <system>` and, in `against`, the voice it is compared
with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model.evaluation.evaluate import EvaluationRow, differences
from model.evaluation.statistics import LEAST_VOICES, METHOD
from model.validation.compared import BASE, EXPERIMENT, FINE_TUNED, PROMOTED_BEFORE
from pipeline.lake.rows import Row

DIFFERENCE = "difference"
_OVER = "over "
_PAIRS = (
    (FINE_TUNED, BASE, None),
    (FINE_TUNED, PROMOTED_BEFORE, f"{_OVER}{PROMOTED_BEFORE}"),
    (EXPERIMENT, BASE, f"{_OVER}{BASE}"),
    (EXPERIMENT, FINE_TUNED, f"{_OVER}{FINE_TUNED}"),
    (EXPERIMENT, PROMOTED_BEFORE, f"{_OVER}{PROMOTED_BEFORE}"),
)


def difference_rows(
    dialect: str,
    found: Sequence[EvaluationRow],
    systems: Mapping[str, str],
    conditions_of: Mapping[str, str],
    voices: Mapping[str, str] | None = None,
) -> list[Row]:
    """Rows of evaluation_summary for every pair that spoke; `systems` maps a model_id to what it is in the comparison.

    `found` are the measurements of quality, `conditions_of` what each measure depends on, in words, `voices` the
    reference voice of each utterance.
    """
    copied = _voices_in_words(len(set(voices.values()))) if voices else ""
    ids = {system: model_id for model_id, system in systems.items()}
    return [
        {
            "dialect": dialect,
            "model_id": ids[system],
            "system": DIFFERENCE,
            "metric": name,
            "condition": condition,
            "against": None if against == BASE else ids[against],
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "n": one.n,
            "conditions": f"{_words(system)} less {_words(against)}, paired by utterance{copied}; "
            f"{conditions_of.get(name, METHOD)}",
        }
        for system, against, condition in _PAIRS
        if system in ids and against in ids
        for (_, name), one in differences(found, ids[against], ids[system], voices=voices).items()
    ]


def is_comparison(row: Row) -> bool:
    """Whether a row of evaluation_summary is a difference between two voices."""
    condition = row.get("condition") or ""
    return row["system"] == DIFFERENCE and (not condition or condition.startswith(_OVER))


def _voices_in_words(count: int) -> str:
    """What the interval speaks of, where voices were copied."""
    if count >= LEAST_VOICES:
        return f", {count} reference voices drawn with replacement, too"
    return f", in {count} reference voice{'' if count == 1 else 's'}: too few for the interval to hold for others"


def _words(system: str) -> str:
    return {FINE_TUNED: "fine-tuned", PROMOTED_BEFORE: "promoted before"}.get(system, system)
