"""Learns a calibration from labelled speech: what the recognisers of one set heard, and what was said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean

from pipeline.recognition.calibration import Calibration, Curve, expected_calibration_error, features, isotonic
from pipeline.recognition.units import units_of
from pipeline.recognition.vote import Choice, Slot, Token, agreement, align, tokens_of, vote
from pipeline.text.writing import written

# Tried in this order: of equal ones the first is taken, which leaves most to the first recogniser.
_TRIED = {
    "margin": (1.0, 0.6, 0.4, 0.3, 0.2, 0.1, 0.0),
    "leave_below": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "insert_above": (1.0, 0.9, 0.8, 0.7, 0.6, 0.5),
}
_STRAIGHT = Curve((0.0, 1.0), (0.0, 1.0))


@dataclass(frozen=True)
class Labelled:
    """One stretch: the tokens of each recogniser, in the order of the configuration, and those that were said."""

    heard: tuple[Sequence[Token], ...]
    said: Sequence[Token]

    @cached_property
    def slots(self) -> list[Slot]:
        """The hypotheses aligned."""
        return align(self.heard)

    def errors(self, texts: Sequence[Token]) -> int:
        """Characters wrong, added or missing in `texts`."""
        from rapidfuzz.distance import Levenshtein

        return Levenshtein.distance([one.text.lower() for one in texts], [one.text.lower() for one in self.said])


@dataclass(frozen=True)
class Scores:
    """How a vote did on labelled speech; rates are errors over characters that were said."""

    characters: int
    recognisers: tuple[float, ...]
    by_heads: float
    calibrated: float
    character_error: float
    segment_error: float
    doubtful_share: float
    """Share of all wrong characters that the fifth of the stretches with the least confidence holds."""


def tokens_said(text: str, dialect: str) -> list[Token]:
    """The tokens of a text that is known to be true."""
    return tokens_of(units_of(written(text, dialect)), (), dialect)


def fit(labelled: Sequence[Labelled], measured_on: str, weigh_on: Sequence[Labelled] = ()) -> Calibration:
    """The calibration that these stretches teach; the recognisers are weighed on `weigh_on`, such as the stretches of
    all dialects of one language.

    Raises ValueError if there are none, or none with an error.
    """
    more = weigh_on or labelled
    return with_curves(labelled, replace(_beyond_chance(more, weighed(more)), measured_on=measured_on))


def _beyond_chance(labelled: Sequence[Labelled], draft: Calibration) -> Calibration:
    """The draft, or one that keeps the first recogniser's text where the draft's gain over it is not beyond chance: a
    sign test over the stretches, about 5 %."""
    first_alone = replace(draft, **{name: values[0] for name, values in _TRIED.items()})
    choices = [[_tokens(_choices(one, known)) for known in (first_alone, draft)] for one in labelled]
    gains = [one.errors(alone) - one.errors(voted) for one, (alone, voted) in zip(labelled, choices, strict=True)]
    better, worse = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    return draft if better - worse > 2.0 * math.sqrt(better + worse) else first_alone


def with_curves(labelled: Sequence[Labelled], draft: Calibration) -> Calibration:
    """A draft with the curves of confidence of these stretches."""
    scored = [pair for one in labelled for pair in _judged(one, _choices(one, draft))]
    draft = replace(draft, character=isotonic([score for score, _ in scored], [true for _, true in scored]))
    return replace(draft, segment=_segment_curve(labelled, draft))


def weighed(labelled: Sequence[Labelled]) -> Calibration:
    """How much each recogniser counts, and when the first one is left: what gives the fewest wrong characters."""
    from sklearn.linear_model import LogisticRegression

    rows: list[list[float]] = []
    right: list[bool] = []
    for one in labelled:
        agreed = agreement(one.slots)
        for slot, true in _with_truth(one):
            for token in {token.text: token for token in slot if token is not None}.values():
                rows.append(features(slot, token, agreed))
                right.append(_same(token, true))
    if len(set(right)) < 2:
        raise ValueError("a calibration needs labelled speech in which characters are right and characters are wrong")
    model = LogisticRegression(max_iter=2000).fit(rows, right)
    weights = tuple(float(one) for one in model.coef_[0])
    draft = Calibration(weights, float(model.intercept_[0]), 1.0, 0.0, 1.0, _STRAIGHT, _STRAIGHT)
    for name, values in _TRIED.items():
        drafts = [replace(draft, **{name: value}) for value in values]
        draft = min(drafts, key=lambda known: _errors(labelled, known))
    return draft


def measure(labelled: Sequence[Labelled], known: Calibration) -> Scores:
    """How a calibration does on stretches that it did not learn from."""
    return measure_each([(one, known) for one in labelled])


def measure_each(pairs: Sequence[tuple[Labelled, Calibration]]) -> Scores:
    """How stretches do, each with a calibration that did not learn from it."""
    labelled = [one for one, _ in pairs]
    characters = sum(len(one.said) for one in labelled)
    recognisers = tuple(
        sum(one.errors(one.heard[number]) for one in labelled) / characters for number in range(len(labelled[0].heard))
    )
    choices = [_choices(one, known) for one, known in pairs]
    wrong = [one.errors(_tokens(chosen)) for one, chosen in zip(labelled, choices, strict=True)]
    judged = [pair for one, chosen in zip(labelled, choices, strict=True) for pair in _judged(one, chosen)]
    sure = [known.of_segment(chosen) or 0.0 for (_, known), chosen in zip(pairs, choices, strict=True)]
    true = [max(0.0, 1.0 - errors / max(1, len(one.said))) for one, errors in zip(labelled, wrong, strict=True)]
    return Scores(
        characters,
        recognisers,
        sum(one.errors(_tokens(vote(one.slots))) for one in labelled) / characters,
        sum(wrong) / characters,
        expected_calibration_error([score for score, _ in judged], [float(each) for _, each in judged]),
        expected_calibration_error(sure, true, [len(one.said) for one in labelled]),
        share_in_doubt(sure, wrong),
    )


def share_in_doubt(confidence: Sequence[float], wrong: Sequence[int], fifth: float = 0.2) -> float:
    """Share of the wrong characters in the `fifth` of the stretches with the least confidence; 1 if none is wrong."""
    order = sorted(range(len(wrong)), key=lambda number: confidence[number])
    doubtful = order[: round(fifth * len(order))]
    return sum(wrong[number] for number in doubtful) / sum(wrong) if sum(wrong) else 1.0


def _with_truth(one: Labelled) -> list[tuple[Slot, Token | None]]:
    """The places of the hypotheses with what was said there."""
    together = align([*one.heard, one.said])
    return [(slot[:-1], slot[-1]) for slot in together if any(token is not None for token in slot[:-1])]


def _choices(one: Labelled, known: Calibration) -> list[Choice]:
    return vote(one.slots, known.judge)


def _errors(labelled: Sequence[Labelled], known: Calibration) -> int:
    return sum(one.errors(_tokens(_choices(one, known))) for one in labelled)


def _tokens(choices: Sequence[Choice]) -> list[Token]:
    return [choice.token for choice in choices]


def _judged(one: Labelled, choices: Sequence[Choice]) -> list[tuple[float, bool]]:
    """Confidence of each chosen character and whether it was said there."""
    confidence = iter(choices)
    return [
        (next(confidence).confidence or 0.0, _same(own, true))
        for own, true in align([_tokens(choices), one.said])
        if own is not None
    ]


def _segment_curve(labelled: Sequence[Labelled], known: Calibration) -> Curve:
    means, accuracy, sizes = [], [], []
    for one in labelled:
        choices = _choices(one, known)
        if choices and one.said:
            means.append(fmean(choice.confidence or 0.0 for choice in choices))
            accuracy.append(max(0.0, 1.0 - one.errors(_tokens(choices)) / len(one.said)))
            sizes.append(len(one.said))
    return isotonic(means, accuracy, sizes)


def _same(token: Token, true: Token | None) -> bool:
    return true is not None and true.text.lower() == token.text.lower()
