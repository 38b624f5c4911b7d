"""Which differences between two voices are beyond chance, with all compared metrics counted.

A verdict is of one metric among many, so it is corrected (Holm 1979) within the quality metrics of a pair of voices,
and within its further ones. The probability of a difference is read from its 95 % interval (Altman and Bland 2011), so
tables of any age are judged alike. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from model.evaluation.metrics import QUALITY, metric
from model.evaluation.pairs import DIFFERENCE, is_comparison
from pipeline.lake.rows import Row

ALPHA = 0.05
BETTER, WORSE, UNDECIDED, NOT_JUDGED = "better", "worse", "undecided", "not judged"
_NORMAL_95 = 1.959964
_OVER_BASE = "over base"


def judged(summary: Sequence[Row]) -> list[Row]:
    """A dialect's rows of evaluation_summary; those that compare a voice with another get their `verdict`.

    All other rows are as they were given.
    """
    families: dict[tuple[str, str, bool], list[int]] = {}
    for place, row in enumerate(summary):
        if _compares(row):
            against = (row.get("condition") or "") if row["system"] == DIFFERENCE else ""
            family = row["model_id"], against, row["metric"] in QUALITY
            families.setdefault(family, []).append(place)
    verdicts: dict[int, str] = {}
    for places in families.values():
        verdicts |= zip(places, _verdicts([summary[place] for place in places]), strict=True)
    return [row | {"verdict": verdicts[place]} if place in verdicts else row for place, row in enumerate(summary)]


def excludes_zero(row: Row) -> bool:
    """Whether the 95 % interval of a difference leaves zero out; one that ends at zero does not."""
    low, high = row["low"], row["high"]
    return low is not None and high is not None and (low > 0 or high < 0)


def beyond_chance(probabilities: Sequence[float]) -> list[bool]:
    """For each probability whether it is under 5 % after Holm's correction for all of them, in the given order."""
    out = [False] * len(probabilities)
    for done, place in enumerate(sorted(range(len(probabilities)), key=probabilities.__getitem__)):
        if probabilities[place] > ALPHA / (len(probabilities) - done):
            break
        out[place] = True
    return out


def probability(value: float, low: float, high: float) -> float:
    """Of a difference at least as far from zero if there were none, both sides, from its 95 % interval."""
    if value == 0:
        return 1.0
    half = value - low if value > 0 else high - value
    return math.erfc(_NORMAL_95 * abs(value) / half / math.sqrt(2)) if half > 0 else 0.0


def _compares(row: Row) -> bool:
    if row["system"] == DIFFERENCE:
        return is_comparison(row)
    return (row["metric"], row["system"], row.get("condition")) == ("preference", "fine_tuned", _OVER_BASE)


def _verdicts(family: Iterable[Row]) -> list[str]:
    rows = [_from_zero(row) for row in family]
    out = [NOT_JUDGED if metric(row["metric"]).not_judged else UNDECIDED for row in rows]
    compared = [place for place, row in enumerate(rows) if _can_be_judged(row)]
    sure = beyond_chance([probability(*(rows[at][key] for key in ("value", "low", "high"))) for at in compared])
    for place, is_sure in zip(compared, sure, strict=True):
        row = rows[place]
        if is_sure and excludes_zero(row):
            out[place] = BETTER if (row["low"] > 0) == (_direction(row["metric"]) > 0) else WORSE
    return out


def _from_zero(row: Row) -> Row:
    """A share of preferences counted from a half, so that zero means that neither is preferred."""
    if row["metric"] != "preference" or not _has_interval(row):
        return row
    return row | {key: row[key] - 0.5 for key in ("value", "low", "high")}


def _can_be_judged(row: Row) -> bool:
    return _has_interval(row) and bool(_direction(row["metric"]))


def _has_interval(row: Row) -> bool:
    ends = row["value"], row["low"], row["high"]
    return all(end is not None and math.isfinite(end) for end in ends)


def _direction(name: str) -> int:
    if name == "preference":
        return 1
    return 0 if metric(name).not_judged else metric(name).better
