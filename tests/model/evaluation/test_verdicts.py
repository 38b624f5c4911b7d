"""Verdicts count all compared metrics, and report and promotion give the same ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model.evaluation.metrics import QUALITY, metric
from model.evaluation.promotion import decide, table
from model.evaluation.statistics import compare
from model.evaluation.verdicts import beyond_chance, judged, probability
from model.report import numbers

MODEL = {"model_id": "m", "dialect": "cmn-tianjin", "status": "candidate", "status_reason": ""}
GUARDED = {"cer": 0.02, "similarity": 0.02}


def row(name: str, value: float, low: float | None, high: float | None, **more: Any) -> dict[str, Any]:
    facts = {"system": "difference", "model_id": "m", "metric": name, "condition": None, "n": 60, "verdict": None}
    return facts | {"value": value, "low": low, "high": high} | more


def with_both(summary: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The differences with figures of both systems, as a table has them."""
    both = [each | {"system": system, "verdict": None} for each in summary for system in ("base", "fine_tuned")]
    return [*both, *summary]


def verdicts(*rows: dict[str, Any]) -> dict[str, str]:
    return {each["metric"]: each["verdict"] for each in judged(rows)}


def test_the_probability_of_an_interval_that_ends_at_zero_is_five_percent() -> None:
    assert probability(1.0, 0.0, 2.0) == pytest.approx(0.05, abs=1e-4)
    assert probability(-1.0, -2.0, 0.0) == pytest.approx(0.05, abs=1e-4)
    assert probability(2.576, 2.576 - 1.959964, 5.0) == pytest.approx(0.01, abs=1e-4)
    assert probability(0.0, -1.0, 1.0) == 1.0


def test_the_correction_is_holms() -> None:
    assert beyond_chance([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]
    assert beyond_chance([0.04]) == [True]
    assert beyond_chance([]) == []


def test_one_of_many_metrics_just_beyond_zero_is_undecided_and_alone_it_is_worse() -> None:
    loss = row("centroid_similarity", -0.021, -0.041, -0.001)
    others = [row(name, 0.0, -1.0, 1.0) for name in ("cer", "similarity", "dnsmos", "stop_rate")]
    assert verdicts(loss)["centroid_similarity"] == "worse"
    assert set(verdicts(loss, *others).values()) == {"undecided"}
    sure = row("centroid_similarity", -0.06, -0.08, -0.04)
    assert verdicts(sure, *others)["centroid_similarity"] == "worse"


@pytest.mark.parametrize(("low", "high"), [(-0.041, 0.0), (0.0, 0.041), (None, None), (float("nan"), float("nan"))])
def test_an_interval_that_ends_at_zero_or_is_missing_is_undecided(low: float | None, high: float | None) -> None:
    value = 0.02 if low is None else (low + (high or 0)) / 2
    assert verdicts(row("similarity", value, low, high)) == {"similarity": "undecided"}


def test_speed_is_shown_and_not_judged() -> None:
    fast = row("rtf", -2.2, -2.5, -1.9, verdict="better")
    assert verdicts(fast) == {"rtf": "not judged"}
    (shown,) = [each for each in numbers.comparisons(with_both([fast]), []) if each.metric.name == "rtf"]
    assert shown.difference.value == -2.2
    assert "different times" in shown.why
    refused = decide([fast], MODEL, {"rtf": 0.1})
    assert (refused.status, "cannot be guarded: spoken at different times" in refused.reason) == ("rejected", True)


def test_further_metrics_take_no_certainty_from_the_quality_metrics() -> None:
    loss = row("cer", 0.02, 0.001, 0.039)
    further = [row(f"own_{number}", 0.0, -1.0, 1.0) for number in range(20)] + [row("cer_raw", 0.0, -1.0, 1.0)]
    assert verdicts(loss, *further)["cer"] == "worse"


def test_of_voices_without_a_difference_few_are_called_better_or_worse_in_anything() -> None:
    names = [name for name in QUALITY if metric(name).better]
    rng, called = np.random.default_rng(8), 0
    for seed in range(100):
        rows = []
        for name in names:
            one, two = ({f"u{n}": value for n, value in enumerate(rng.normal(0, 1, 50))} for _ in range(2))
            found = compare(name, one, two, seed=seed, resamples=400)
            rows.append(row(name, found.value, found.low, found.high))
        called += any(said != "undecided" for said in verdicts(*rows).values())
    assert called / 100 <= 0.12


def test_verdicts_of_older_tables_are_judged_anew_and_judging_twice_changes_nothing() -> None:
    old = [row("dnsmos", -0.2, -0.39, -0.01, verdict="worse"), row("cer", -0.1, -0.12, -0.08, verdict="better")]
    once = judged(old)
    assert [each["verdict"] for each in once] == ["worse", "better"]
    assert judged(once) == once
    many = [*old, *(row(name, 0.0, -1.0, 1.0, verdict="undecided") for name in ("similarity", "stop_rate", "skips"))]
    assert verdicts(*many)["dnsmos"] == "undecided"


def test_rows_that_compare_nothing_keep_their_verdict() -> None:
    slope = row("cer", 0.07, 0.04, 0.10, system="base", condition="slope per minute", verdict="worse")
    rival = row("preference", 0.7, 0.6, 0.8, system="espeak-ng", condition="over base", verdict="better")
    assert judged([slope, rival]) == [slope, rival]


def test_what_listeners_preferred_is_corrected_with_the_other_quality_metrics() -> None:
    chosen = row("preference", 0.6, 0.505, 0.69, system="fine_tuned", condition="over base", verdict="better")
    assert verdicts(chosen)["preference"] == "better"
    assert verdicts(chosen, row("cer", 0.0, -1.0, 1.0), row("dnsmos", 0.0, -1.0, 1.0))["preference"] == "undecided"
    assert verdicts(chosen | {"value": 0.5, "low": 0.5, "high": 0.6})["preference"] == "undecided"


def test_headline_and_promotion_give_the_same_verdicts_in_the_same_words() -> None:
    summary = [
        row("cer", -0.12, -0.14, -0.10),
        row("similarity", 0.002, -0.01, 0.014),
        row("centroid_similarity", -0.05, -0.06, -0.04),
    ]
    compared = numbers.comparisons(with_both(summary), [])
    headline, decision = numbers.verdict(compared), decide(summary, MODEL, GUARDED)
    assert (headline.kind, decision.status) == ("mixed", "promoted")
    loss = "Similarity to the speaker −0.050 (95 % interval −0.060 to −0.040)"
    assert f"{loss}: worse." in headline.sentences
    assert decision.reason == (
        "not worse than its base in the guarded metrics (Character error rate by +2.0 points, Similarity to the "
        "reference by −0.020); better in Character error rate −12.0 points (95 % interval −14.0 to −10.0); worse in "
        f"{loss}, which is not guarded"
    )
    refused = decide(summary, MODEL, GUARDED | {"centroid_similarity": 0.02})
    assert refused.status == "rejected"
    assert "Similarity to the speaker is worse" in refused.reason
    by_metric = {each.metric.name: each.verdict for each in compared}
    assert all(each["verdict"] == by_metric[each["metric"]] for each in refused.compared)


def test_no_end_of_an_interval_called_worse_is_printed_as_zero() -> None:
    loss = row("similarity", -0.0006, -0.0008, -0.0004)
    (shown,) = [each for each in numbers.comparisons(with_both([loss]), []) if each.metric.name == "similarity"]
    assert shown.verdict == "worse"
    assert shown.printed.span(-0.0008, -0.0004) == "−0.0008 to −0.0004"
    decision = decide([loss], MODEL, {"similarity": 0.0005})
    assert "−0.0006 (95 % interval −0.0008 to −0.0004)" in decision.reason
    assert "−0.0008 to −0.0004" in table(decision)
    open_ = row("similarity", -0.0004, -0.041, 0.0002)
    (shown,) = [each for each in numbers.comparisons(with_both([open_]), []) if each.metric.name == "similarity"]
    assert (shown.verdict, shown.printed.span(-0.041, 0.0002)) == ("undecided", "−0.041 to 0.000")


def test_one_comparison_is_not_said_to_be_corrected() -> None:
    said = numbers.verdict(numbers.comparisons(with_both([row("cer", -0.12, -0.14, -0.10)]), [])).sentences
    assert not any("Holm" in sentence for sentence in said)
