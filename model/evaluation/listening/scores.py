"""Listeners' answers to figures: mean opinion and share of preferences, each with a 95 % interval, as table rows.

Both listeners and utterances are drawn with replacement (a crossed bootstrap): a few listeners who agree about many
clips are still a few listeners. Seeded: the same answers give the same interval.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from model.evaluation.listening.answers import Answers, Clip, Preference, Rating
from model.evaluation.statistics import RESAMPLES, summarize
from pipeline.lake.rows import Row

MOS = "listener_mos"
PREFERENCE = "preference"
_BASE = "base"


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` answers of so many listeners and utterances; no interval where one answer is all there is."""

    value: float
    low: float | None
    high: float | None
    n: int
    listeners: int
    utterances: int


def estimate(metric: str, answers: Sequence[tuple[str, str, float]], seed: int = 0) -> Estimate:
    """Mean of (listener, utterance, value) answers with its interval. Raises ValueError if there are none."""
    if not answers:
        raise ValueError(f"{metric}: there are no answers")
    listeners, row = np.unique([answer[0] for answer in answers], return_inverse=True)
    utterances, column = np.unique([answer[1] for answer in answers], return_inverse=True)
    values = np.array([answer[2] for answer in answers], float)
    size = len(values), len(listeners), len(utterances)
    if len(values) == 1 or np.ptp(values) == 0:
        plain = summarize(metric, values, seed=seed)
        return Estimate(plain.value, plain.low, plain.high, *size)
    sums, counts = np.zeros((2, len(listeners), len(utterances)))
    np.add.at(sums, (row, column), values)
    np.add.at(counts, (row, column), 1.0)
    rng = np.random.default_rng(seed)
    drawn = [rng.multinomial(many, np.full(many, 1 / many), RESAMPLES).astype(float) for many in size[1:]]
    above, below = (np.einsum("rl,lu,ru->r", drawn[0], table, drawn[1], optimize=True) for table in (sums, counts))
    # A draw of listeners who heard none of the utterances drawn says nothing.
    low, high = np.quantile(above[below > 0] / below[below > 0], [0.025, 0.975])
    return Estimate(float(values.mean()), float(low), float(high), *size)


def evaluation_rows(answers: Answers) -> list[Row]:
    """Rows of table `evaluation`: the mean opinion of each clip, with the sum and number of its scores."""
    scores: dict[Clip, list[int]] = defaultdict(list)
    for rating in answers.ratings:
        scores[rating.clip].append(rating.score)
    return [
        {
            "utterance_id": clip.utterance_id,
            "model_id": clip.model_id or clip.system,
            "system": clip.system,
            "dialect": clip.dialect,
            "reference_recording_id": clip.reference_recording_id,
            "metric": MOS,
            "value": sum(given) / len(given),
            "numerator": float(sum(given)),
            "denominator": float(len(given)),
            "detail": f"{len(given)} listeners of test {answers.test}",
        }
        for clip, given in scores.items()
    ]


def summary_rows(answers: Answers, seed: int = 0) -> list[Row]:
    """Rows of table `evaluation_summary`: mean opinion per system, and for each two systems how often one is preferred.

    `verdict` of a preference says whether it is surely more, or less, than half.
    """
    left_out = f"{len(answers.too_fast)} too fast and {len(answers.faults)} faulty answers left out"
    rows = []
    for (dialect, system, model_id), ratings in _by_system(answers.ratings).items():
        found = estimate(MOS, [(one.listener, one.clip.utterance_id, float(one.score)) for one in ratings], seed)
        rows.append(_row(dialect, system, model_id, MOS, None, found, "", f"scale 1 to 5, {left_out}"))
    for (dialect, system, model_id, rival), choices in _by_pair(answers.preferences).items():
        shares = [(one.listener, one.chosen.utterance_id, float(one.chosen.system == system)) for one in choices]
        found = estimate(PREFERENCE, shares, seed)
        verdict = "undecided"
        if found.low is not None and found.high is not None:
            verdict = "better" if found.low > 0.5 else "worse" if found.high < 0.5 else verdict
        rows.append(_row(dialect, system, model_id, PREFERENCE, f"over {rival}", found, verdict, left_out))
    return rows


def _row(
    dialect: str,
    system: str,
    model_id: str,
    metric: str,
    condition: str | None,
    found: Estimate,
    verdict: str,
    conditions: str,
) -> Row:
    heard = f"blind listening test, {found.listeners} listeners, {found.utterances} utterances, {found.n} answers"
    return {
        "dialect": dialect,
        "model_id": model_id or system,
        "system": system,
        "metric": metric,
        "condition": condition,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": found.utterances,
        "verdict": verdict or None,
        "conditions": f"{heard}, 95 % bootstrap over listeners and utterances; {conditions}",
    }


def _by_system(ratings: Iterable[Rating]) -> dict[tuple[str, str, str], list[Rating]]:
    grouped: dict[tuple[str, str, str], list[Rating]] = defaultdict(list)
    for rating in ratings:
        grouped[rating.clip.dialect, rating.clip.system, rating.clip.model_id].append(rating)
    return dict(sorted(grouped.items()))


def _by_pair(preferences: Iterable[Preference]) -> dict[tuple[str, str, str, str], list[Preference]]:
    """(dialect, system, its model, the other system) -> choices; the base is always the other."""
    grouped: dict[tuple[str, str, str, str], list[Preference]] = defaultdict(list)
    for choice in preferences:
        one, two = sorted((choice.chosen, choice.other), key=lambda clip: (clip.system == _BASE, clip.system))
        grouped[one.dialect, one.system, one.model_id, two.system].append(choice)
    return dict(sorted(grouped.items()))
