"""How far reviewers agree: Krippendorff's alpha of labels, character error between texts. Arithmetic; reads nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence


def nominal(one: object, two: object) -> float:
    """Difference of two names: 0 or 1."""
    return float(one != two)


def squared(one: float, two: float) -> float:
    """Difference of two values on an interval scale."""
    return (one - two) ** 2


def alpha(units: Sequence[Sequence], difference: Callable[..., float] = nominal) -> float | None:
    """Krippendorff's alpha: 1 - observed disagreement / that expected by chance. None where it is undefined.

    `units` holds for each unit the values that it was given, by any number of reviewers in any order; units with one
    value say nothing. Undefined where fewer than two values are compared, or all are the same: chance would then not
    differ from agreement. Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section E.
    """
    coincidences: defaultdict[tuple, float] = defaultdict(float)
    for values in units:
        if len(values) < 2:
            continue
        for place, one in enumerate(values):
            for other, two in enumerate(values):
                if place != other:
                    coincidences[one, two] += 1 / (len(values) - 1)
    marginals: defaultdict = defaultdict(float)
    for (one, _), count in coincidences.items():
        marginals[one] += count
    total = sum(marginals.values())
    expected = sum(
        count * other * difference(one, two) for one, count in marginals.items() for two, other in marginals.items()
    )
    if total < 2 or not expected:
        return None
    observed = sum(count * difference(one, two) for (one, two), count in coincidences.items())
    return 1 - (total - 1) * observed / expected


def between(texts: Sequence[tuple[str, str, str]]) -> tuple[float, float, int]:
    """Edits, mean characters of the two, and pairs, of (text, other text, dialect); the rate is edits / characters."""
    from pipeline.text.normalize import normalizer

    edits = characters = 0.0
    for one, other, dialect in texts:
        found, length = normalizer(dialect).character_errors(one, other)
        edits += found
        characters += (length + len(normalizer(dialect).characters(other))) / 2
    return edits, characters, len(texts)
