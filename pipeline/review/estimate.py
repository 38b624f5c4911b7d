"""A character error rate with its interval, from a stratified random sample of segments. Arithmetic; reads nothing.

Segments are drawn one by one at random inside their strata, so the sampling error of this corpus's rate depends on how
errors lie in segments and on nothing coarser: that recordings and speakers differ needs no further term (it would for
speech that is not in the corpus). The rate is a ratio of two totals, each stratum's expanded by its known characters
(separate ratio estimator), its variance the linearised one with finite-population correction (Cochran 1977, chapter 6).

The interval is the gamma interval of Fay and Feuer (Statistics in Medicine 16, 1997) for a weighted sum of counts:
right-skewed, and more than a point where no error was found. Its step is a lump of errors as they come in a segment,
estimated with one further segment that is wrong from beginning to end, so that a sample that missed the few bad
segments is not taken for certain. The variance is widened by Student's t for the few segments that it is from. Normal
and bootstrap intervals cover too seldom where few errors were found; docs/review.md has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Judged:
    """A reviewed segment: errors of its text, characters that were really said, characters of its text."""

    errors: float
    said: float
    written: float


@dataclass(frozen=True)
class Stratum:
    """All segments and characters of a stratum, and the reviewed ones."""

    segments: int
    written: float
    judged: Sequence[Judged]


@dataclass(frozen=True)
class Interval:
    """A rate with its 95 % interval; `covered` is the share of the text whose strata have a reviewed segment."""

    value: float
    low: float
    high: float
    errors: float
    said: float
    reviewed: int
    segments: int
    covered: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class _Moments:
    rate: float
    variance: float
    step: float
    lump: float
    least: float
    degrees: float
    heard: float
    """Share of the covered text that was heard."""


def interval(strata: Sequence[Stratum]) -> Interval | None:
    """The rate over the strata that have a reviewed segment; None where no character was reviewed."""
    moments = _moments(strata)
    if moments is None:
        return None
    low, high = _bounds(moments, 1.0)
    judged = [one for stratum in strata for one in stratum.judged]
    return Interval(
        moments.rate,
        low,
        high,
        float(sum(one.errors for one in judged)),
        float(sum(one.said for one in judged)),
        len(judged),
        sum(stratum.segments for stratum in strata),
        float(sum(s.written for s in strata if s.judged) / (sum(s.written for s in strata) or 1)),
    )


def times_as_many(strata: Sequence[Stratum], half_width: float) -> float | None:
    """How many times as many segments of each stratum bring the interval to plus or minus `half_width`; 1: it is there.

    Supposes that what comes is as what was. None where nothing was reviewed.
    """
    moments = _moments(strata)
    if moments is None:
        return None

    def reached(times: float) -> bool:
        low, high = _bounds(moments, times)
        return (high - low) / 2 <= half_width + 1e-12

    if reached(1.0):
        return 1.0
    low, high = 1.0, 1 / moments.heard
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _moments(strata: Sequence[Stratum]) -> _Moments | None:
    there = [stratum for stratum in strata if stratum.judged]
    factors = [_factor(stratum) for stratum in there]
    errors = sum(f * sum(one.errors for one in s.judged) for s, f in zip(there, factors, strict=True))
    said = sum(f * sum(one.said for one in s.judged) for s, f in zip(there, factors, strict=True))
    if not said:
        return None
    rate = float(errors / said)
    variance = weight = degrees = 0.0
    for stratum, factor in zip(there, factors, strict=True):
        unheard = 1 - 1 / factor
        variance += unheard * factor**2 * _squares(stratum.judged, rate)
        # Of faults that nobody heard there may be as many as escape with this probability: ln(tail) / ln(unheard).
        weight += len(stratum.judged) / -math.log(unheard) if 0 < unheard < 1 else 0.0
        degrees += len(stratum.judged) - 1
    judged = [one for stratum in there for one in stratum.judged]
    step = _lump(judged) * weight / len(judged) / said
    whole = sum(stratum.written for stratum in there)
    heard = sum(one.written for one in judged) / whole if whole else 1.0
    # If the rest has no error, it was said as it is written.
    unheard = max(0.0, whole - sum(one.written for one in judged))
    least = sum(one.errors for one in judged) / max(said, sum(one.said for one in judged) + unheard)
    # Segments that happen to be alike are no proof that all are.
    variance = variance / said**2 or rate * step
    lump = _mean_lump(judged) / said
    return _Moments(rate, variance, step, lump, least, degrees, min(max(heard, 1e-9), 1.0))


def _factor(stratum: Stratum) -> float:
    """By how much the sums over the reviewed segments are expanded to the whole stratum."""
    written = sum(one.written for one in stratum.judged)
    return max(1.0, stratum.written / written if written else stratum.segments / len(stratum.judged))


def _squares(judged: Sequence[Judged], rate: float) -> float:
    """Sum of squared residuals from the stratum's own line, corrected for that; from the common one if it is alone."""
    written = sum(one.written for one in judged)
    excess = sum(one.errors - rate * one.said for one in judged)
    own = excess / written if written and len(judged) > 1 else 0.0
    found = sum((one.errors - rate * one.said - own * one.written) ** 2 for one in judged)
    return found * len(judged) / (len(judged) - 1) if len(judged) > 1 else found


def _lump(judged: Sequence[Judged]) -> float:
    """Size of a lump of errors, weighted by size, a wholly wrong segment of mean length added."""
    added = sum(one.said for one in judged) / len(judged)
    return (sum(one.errors**2 for one in judged) + added**2) / (sum(one.errors for one in judged) + added)


def _mean_lump(judged: Sequence[Judged]) -> float:
    """Mean errors of the segments that have any; 0 if none has."""
    wrong = [one.errors for one in judged if one.errors]
    return sum(wrong) / len(wrong) if wrong else 0.0


def _bounds(moments: _Moments, times: float) -> tuple[float, float]:
    """The interval if `times` as many segments had been reviewed with the same result."""
    from scipy.special import gammainccinv, gammaincinv, ndtri, stdtrit

    if moments.degrees < 1 and moments.heard < 1:
        return min(moments.least, moments.rate), max(1.0, moments.rate)
    tail = (1 - CONFIDENCE) / 2
    heard = times * moments.heard
    if heard >= 1:
        return moments.rate, moments.rate
    left = (1 - heard) / (1 - moments.heard)
    wider = float(stdtrit(max(1.0, times * moments.degrees), tail) / ndtri(tail)) ** 2
    variance = moments.variance * left / times * wider
    step = moments.step * math.log1p(-moments.heard) / math.log1p(-heard)
    # What was heard is known; the interval is of what was not.
    found = min(moments.least * times, moments.rate)
    open_rate = moments.rate - found
    low = high = open_rate
    if open_rate > 0 and variance > 0:
        low = float(gammaincinv(open_rate**2 / variance, tail)) * variance / open_rate
    if step > 0:
        mean, spread = open_rate + step, variance + wider * step**2
        high = float(gammainccinv(mean**2 / spread, tail)) * spread / mean
    # What was not heard has whole lumps, so that it may well have none.
    low = max(0.0, min(low, open_rate) - moments.lump)
    return float(found + low), float(max(min(found + high, 1.0), moments.rate))


def domains(
    strata: Mapping[tuple[str, str, str], Stratum],
) -> list[tuple[str, str, list[Stratum]]]:
    """(by, which, strata) of all, of each dialect, tier and split, and of each split of a dialect that has several."""
    found: dict[tuple[str, str], list[Stratum]] = {("all", ""): list(strata.values())}
    for place, by in enumerate(("dialect", "tier", "split")):
        for key in sorted(strata):
            found.setdefault((by, key[place]), []).append(strata[key])
    for dialect, _, split in sorted(strata):
        if len({key[2] for key in strata if key[0] == dialect}) > 1:
            own = [strata[key] for key in sorted(strata) if (key[0], key[2]) == (dialect, split)]
            found["dialect and split", f"{dialect} {split}"] = own
    return [(by, which, parts) for (by, which), parts in found.items()]
