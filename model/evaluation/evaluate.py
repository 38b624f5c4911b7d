"""A set of metrics over many utterances: long rows, what could not be measured with its reason, and figures of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model.evaluation.statistics import Difference, Summary, compare, summarize
from model.evaluation.utterance import Measurement, Metric, NotMeasured, Utterance


@dataclass(frozen=True)
class EvaluationRow:
    """One measure of one utterance. `value` None: not measured, `note` says why.

    `weight` is how much the value counts in a mean. `details` are the metric's, on the first of its measures that has a
    value (else the first) only.
    """

    utterance_id: str
    model_id: str
    dialect: str
    metric: str
    value: float | None
    weight: float
    note: str
    details: Mapping[str, Any] = field(default_factory=dict)


def evaluate(
    utterances: Sequence[Utterance], metrics: Sequence[Metric], progress: Callable[[int, int], None] | None = None
) -> list[EvaluationRow]:
    """One row for each utterance and measure, those that cannot be measured with their reason.

    `progress` is told the utterances done and their number after each. A metric that fails on an utterance leaves a
    note and the traceback in the log; the others go on.
    """
    rows: list[EvaluationRow] = []
    for index, utterance in enumerate(utterances):
        for metric in metrics:
            rows += _rows(utterance, metric)
        if progress is not None:
            progress(index + 1, len(utterances))
    return rows


def summaries(rows: Iterable[EvaluationRow], seed: int = 0) -> dict[tuple[str, str, str], Summary]:
    """(dialect, model_id, metric) -> figure with interval, over the utterances that were measured."""
    grouped: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for row in rows:
        if row.value is not None:
            grouped.setdefault((row.dialect, row.model_id, row.metric), []).append((row.value, row.weight))
    return {
        key: summarize(key[2], [value for value, _ in group], [weight for _, weight in group], seed)
        for key, group in grouped.items()
    }


def differences(
    rows: Iterable[EvaluationRow], base: str, other: str, seed: int = 0, voices: Mapping[str, str] | None = None
) -> dict[tuple[str, str], Difference]:
    """(dialect, metric) -> model `other` less model `base`, paired by utterance id, where both have values.

    `voices` names the reference voice of each utterance.
    """
    values: dict[tuple[str, str], dict[str, dict[str, EvaluationRow]]] = {}
    for row in rows:
        if row.value is not None and row.model_id in (base, other):
            models = values.setdefault((row.dialect, row.metric), {})
            models.setdefault(row.model_id, {})[row.utterance_id] = row
    found: dict[tuple[str, str], Difference] = {}
    for key, models in values.items():
        one, two = models.get(base, {}), models.get(other, {})
        if one.keys() & two.keys():
            # The mean of both systems' weights: a tone metric hears a different number of syllables in each.
            weights = {name: (one[name].weight + two[name].weight) / 2 for name in one.keys() & two.keys()}
            found[key] = compare(key[1], _values(one), _values(two), weights, seed, voices=voices)
    return found


def conditions(metrics: Sequence[Metric]) -> dict[str, dict[str, Any]]:
    """What each metric's values depend on, by metric."""
    return {metric.name: dict(metric.conditions) for metric in metrics}


def _values(rows: Mapping[str, EvaluationRow]) -> dict[str, float]:
    return {name: row.value for name, row in rows.items() if row.value is not None}


def _rows(utterance: Utterance, metric: Metric) -> list[EvaluationRow]:
    try:
        measured = metric.measure(utterance)
    except NotMeasured as error:
        measured = Measurement({}, notes=dict.fromkeys(metric.gives, str(error)))
    except Exception as error:
        logging.getLogger(__name__).exception("metric %s failed on %s", metric.name, utterance.utterance_id)
        measured = Measurement({}, notes=dict.fromkeys(metric.gives, f"failed: {type(error).__name__}: {error}"))
    values = {name: value for name, value in measured.values.items() if math.isfinite(value)}
    bearer = next((name for name in metric.gives if name in values), metric.gives[0])
    rows: list[EvaluationRow] = []
    for name in metric.gives:
        value = values.get(name)
        missing = f"came out as {measured.values[name]}" if name in measured.values else "not given"
        rows.append(
            EvaluationRow(
                utterance.utterance_id,
                utterance.model_id,
                utterance.dialect,
                name,
                value,
                measured.weights.get(name, 1.0),
                "" if value is not None else measured.notes.get(name, missing),
                measured.details if name == bearer else {},
            )
        )
    return rows
