"""From values of utterances to figures with 95 % intervals: means, ratios, paired differences, slopes, ranks.

Intervals are percentile bootstrap (Efron and Tibshirani 1993), utterances drawn with replacement, seeded: the same
values give the same interval. Differences whose utterances copy five voices or more draw the voices, too (Owen 2007).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.evaluation.metrics import Better, better

RESAMPLES = 2000
CONFIDENCE = 0.95
METHOD = f"{CONFIDENCE:.0%} percentile bootstrap over utterances, {RESAMPLES} resamples, seeded"
LEAST_VOICES = 5
"""Reference voices from which on a difference's interval speaks of other voices than those that were copied."""
_NORMAL_95 = 1.959964
_CELLS_AT_ONCE = 2_000_000

Verdict = Literal["better", "worse", "undecided"]


@dataclass(frozen=True)
class Summary:
    """A measure over `n` utterances; `low` and `high` bound its 95 % interval, None where n is under 2."""

    metric: str
    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Difference:
    """Fine-tuned less base over the `n` utterances that both have, with the base's and the other's own mean.

    `verdict` is of this metric alone; model/evaluation/verdicts.py corrects it where several are compared.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    n: int
    base: float
    other: float
    verdict: Verdict


def summarize(
    metric: str, values: ArrayLike, weights: ArrayLike | None = None, seed: int = 0, resamples: int = RESAMPLES
) -> Summary:
    """Weighted mean of `values` (n,); with weights (n,) of denominators it is the ratio of sums.

    Raises ValueError if there are no values, or one is not finite. Where all values are 0 or all are 1 the bootstrap
    has nothing to draw from and would call a rate certain: the Wilson (1927) interval stands in for it.
    """
    x, w = _checked(metric, values, weights)
    value = float(np.average(x, weights=w))
    if len(x) < 2:
        return Summary(metric, value, None, None, len(x))
    if np.isin(x, (0.0, 1.0)).all() and len(np.unique(x)) == 1:
        low, high = _wilson(value, len(x))
        return Summary(metric, value, low, high, len(x))
    means = _bootstrap(np.stack([x * w, w]), seed, resamples)
    low, high = _bounds(means[0] / means[1])
    return Summary(metric, value, low, high, len(x))


def compare(
    metric: str,
    base: Mapping[str, float],
    other: Mapping[str, float],
    weights: Mapping[str, float] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    voices: Mapping[str, str] | None = None,
) -> Difference:
    """Other less base, paired by utterance id; both draw the same utterances. Weights are of the shared texts.

    `voices` names the reference voice of each utterance; with LEAST_VOICES or more of them utterances and voices are
    drawn, so that the interval holds for other voices. A rate that no utterance changed has the exact bound of what n
    utterances cannot have seen (Clopper and Pearson 1934) for an interval.

    The verdict is "better" or "worse" only if the interval leaves zero out, in the measure's own direction; a measure
    that is best at 1 is compared by its distance from 1. Raises ValueError if no utterance is in both.
    """
    shared = sorted(base.keys() & other.keys())
    if not shared:
        raise ValueError(f"{metric}: base and fine-tuned have no utterance in common")
    one, w = _checked(metric, [base[key] for key in shared], [weights[key] for key in shared] if weights else None)
    two, _ = _checked(metric, [other[key] for key in shared], None)
    direction = better(metric)
    means = float(np.average(one, weights=w)), float(np.average(two, weights=w))
    if direction == "one":
        one, two = np.abs(one - 1), np.abs(two - 1)
    value = float(np.average(two - one, weights=w))
    low = high = None
    if len(shared) > 1:
        change = two - one
        if np.isin(np.stack([one, two]), (0.0, 1.0)).all() and len(np.unique(change)) == 1:
            unseen = 1 - ((1 - CONFIDENCE) / 2) ** (1 / len(shared))
            low, high = max(-1.0, value - unseen), min(1.0, value + unseen)
        else:
            columns = np.stack([change * w, w])
            names = [voices.get(key, "") for key in shared] if voices else []
            drawn = _drawn_with_voices(columns, names, seed, resamples) if names else None
            drawn = _bootstrap(columns, seed, resamples) if drawn is None else drawn
            low, high = _bounds(drawn[0] / drawn[1])
    return Difference(metric, value, low, high, len(shared), *means, _verdict(direction, low, high))


def slope(
    metric: str,
    x: ArrayLike,
    y: ArrayLike,
    groups: Sequence[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Summary:
    """Least-squares slope of y over x, both (n,). With `groups` each has its own level and all share the slope.

    Groups (utterances) are drawn whole if there are 5 or more; else residuals are drawn and put back on the line.
    Raises ValueError for fewer than 3 points, or x without spread inside any group.
    """
    given, told = np.asarray(x, float), np.asarray(y, float)
    names, member = np.unique(groups if groups is not None else [""] * len(given), return_inverse=True)
    if len(given) < 3:
        raise ValueError(f"{metric}: a slope needs 3 points or more, got {len(given)}")
    centred_x, centred_y = _centred(given, member, len(names)), _centred(told, member, len(names))
    xy, xx = centred_x * centred_y, centred_x**2
    if not xx.sum() > 0:
        raise ValueError(f"{metric}: a slope needs points at different places")
    value = float(xy.sum() / xx.sum())
    if len(names) < 5:
        residual = centred_y - value * centred_x
        low, high = _residual_bounds(value, centred_x, residual, len(names), seed, resamples)
    else:
        drawn = _bootstrap(
            np.stack([np.bincount(member, weights=xy), np.bincount(member, weights=xx)]).astype(float), seed, resamples
        )
        low, high = _bounds(drawn[0] / np.maximum(drawn[1], 1e-12))
    return Summary(metric, value, low, high, len(given))


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN if either is constant."""
    one, two = _ranks(np.asarray(x, float)), _ranks(np.asarray(y, float))
    if not one.any() or not two.any():
        return float("nan")
    return float(one @ two / np.sqrt((one @ one) * (two @ two)))


def _checked(
    metric: str, values: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = np.asarray(values, np.float64)
    w = np.ones_like(x) if weights is None else np.asarray(weights, np.float64)
    if x.ndim != 1 or not len(x):
        raise ValueError(f"{metric}: there are no values to summarize")
    if x.shape != w.shape or not np.isfinite(x).all() or not (w > 0).all():
        raise ValueError(f"{metric}: values must be finite and weights above 0, one each")
    return x, w


def _ranks(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks less their mean; ties have the mean of their ranks."""
    _, place, count = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place] - (len(x) + 1) / 2


def _bootstrap(columns: NDArray[np.float64], seed: int, resamples: int) -> NDArray[np.float64]:
    """Columns (C, n) -> (C, resamples): their means over n draws with replacement, the same draws in each column."""
    n = columns.shape[1]
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS_AT_ONCE // n)
    parts = []
    for first in range(0, resamples, step):
        drawn = rng.integers(0, n, (min(step, resamples - first), n))
        parts.append(columns[:, drawn].mean(axis=2))
    return np.concatenate(parts, axis=1)


def _drawn_with_voices(
    columns: NDArray[np.float64], voices: Sequence[str], seed: int, resamples: int
) -> NDArray[np.float64] | None:
    """Columns (C, n) -> (C, resamples): sums over draws of utterances and of voices, each with replacement.

    An utterance counts as often as it was drawn times as often as its voice was. None with fewer than LEAST_VOICES.
    """
    names, member = np.unique(voices, return_inverse=True)
    if len(names) < LEAST_VOICES:
        return None
    rng, n = np.random.default_rng(seed), columns.shape[1]
    step = max(1, _CELLS_AT_ONCE // n)
    parts = []
    for first in range(0, resamples, step):
        count = min(step, resamples - first)
        utterances = rng.multinomial(n, np.full(n, 1 / n), count)
        of_voices = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), count)
        parts.append(columns @ (utterances * of_voices[:, member]).T)
    drawn = np.concatenate(parts, axis=1)
    return drawn[:, drawn[-1] > 0]


def _residual_bounds(
    value: float, centred_x: NDArray[np.float64], residual: NDArray[np.float64], groups: int, seed: int, resamples: int
) -> tuple[float, float]:
    n = len(residual)
    # A fit leaves residuals smaller than the errors were.
    scaled = (residual - residual.mean()) * np.sqrt(n / max(1, n - groups - 1))
    drawn = np.random.default_rng(seed).integers(0, n, (resamples, n))
    return _bounds(value + scaled[drawn] @ centred_x / np.sum(centred_x**2))


def _centred(x: NDArray[np.float64], member: NDArray[np.integer], groups: int) -> NDArray[np.float64]:
    sums, count = np.bincount(member, x, groups), np.bincount(member, minlength=groups)
    return x - (sums / count)[member]


def _bounds(drawn: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _wilson(share: float, n: int) -> tuple[float, float]:
    z2 = _NORMAL_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _NORMAL_95 * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _verdict(direction: Better, low: float | None, high: float | None) -> Verdict:
    if low is None or high is None or direction == "neither" or low <= 0 <= high:
        return "undecided"
    return "better" if (low > 0) == (direction == "higher") else "worse"
