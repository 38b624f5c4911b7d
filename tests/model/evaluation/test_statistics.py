"""Intervals cover what they promise to, verdicts follow the measure's direction, slopes and ranks are the true ones."""

from __future__ import annotations

import numpy as np
import pytest

from model.evaluation import statistics
from model.evaluation.statistics import compare, slope, spearman, summarize


def test_the_mean_of_weighted_rates_is_errors_over_characters():
    found = summarize("cer", [1 / 10, 0 / 4, 6 / 6], [10, 4, 6])
    assert found.value == pytest.approx(7 / 20)
    assert found.n == 3


def test_nineteen_of_twenty_intervals_hold_the_true_mean():
    rng = np.random.default_rng(1)
    inside = 0
    for seed in range(300):
        found = summarize("dnsmos", rng.normal(3.0, 0.5, 40), seed=seed, resamples=500)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 3.0 <= found.high
    assert 0.90 <= inside / 300 <= 0.98


def test_an_interval_is_as_wide_as_the_standard_error_says():
    values = np.random.default_rng(2).normal(0, 2, 400)
    found = summarize("dnsmos", values)
    assert found.high is not None
    assert found.low is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.08)


def test_equal_values_give_equal_intervals():
    values = np.random.default_rng(3).random(50)
    assert summarize("cer", values) == summarize("cer", values)


def test_a_rate_without_a_failure_is_not_certain():
    found = summarize("stop_rate", np.ones(200))
    assert (found.value, found.high) == (1.0, pytest.approx(1.0))
    assert found.low == pytest.approx(0.981, abs=0.001)


def test_one_utterance_has_no_interval():
    assert summarize("cer", [0.1]).low is None


@pytest.mark.parametrize("values", [[], [0.1, float("nan")]])
def test_values_that_cannot_be_summarized_are_refused_by_name(values: list[float]):
    with pytest.raises(ValueError, match="dnsmos"):
        summarize("dnsmos", values)


def test_a_difference_too_small_for_the_means_alone_is_seen_in_pairs():
    rng = np.random.default_rng(4)
    hard = rng.normal(0.3, 0.2, 60)
    base = {f"u{index}": value for index, value in enumerate(hard)}
    better = {f"u{index}": value - 0.03 + rng.normal(0, 0.02) for index, value in enumerate(hard)}
    found = compare("cer", base, better)
    assert found.verdict == "better"
    assert found.value == pytest.approx(-0.03, abs=0.01)
    alone, other = summarize("cer", list(base.values())), summarize("cer", list(better.values()))
    assert alone.low is not None
    assert other.high is not None
    assert alone.low < other.high


def test_the_verdict_follows_the_direction_of_the_measure():
    low, high = {f"u{n}": 1.0 + n / 100 for n in range(20)}, {f"u{n}": 2.0 + n / 90 for n in range(20)}
    assert compare("dnsmos", low, high).verdict == "better"
    assert compare("cer", low, high).verdict == "worse"
    assert compare("unheard_of", low, high).verdict == "undecided"


def test_a_measure_best_at_one_is_judged_by_its_distance_from_one():
    fast, right = {f"u{n}": 0.5 + n / 100 for n in range(20)}, {f"u{n}": 1.0 + n / 100 for n in range(20)}
    slow = {f"u{n}": 1.8 + n / 100 for n in range(20)}
    assert compare("duration_ratio", fast, right).verdict == "better"
    assert compare("duration_ratio", right, slow).verdict == "worse"


def test_no_difference_is_rarely_called_one():
    rng = np.random.default_rng(5)
    called = 0
    for seed in range(200):
        base = {f"u{n}": value for n, value in enumerate(rng.normal(0, 1, 30))}
        other = {f"u{n}": value for n, value in enumerate(rng.normal(0, 1, 30))}
        called += compare("dnsmos", base, other, seed=seed, resamples=400).verdict != "undecided"
    assert called / 200 < 0.11


def test_only_utterances_of_both_are_paired():
    found = compare("cer", {"a": 0.1, "b": 0.2, "c": 0.9}, {"a": 0.1, "b": 0.2, "d": 0.0})
    assert (found.n, found.base) == (2, pytest.approx(0.15))
    with pytest.raises(ValueError, match="in common"):
        compare("cer", {"a": 0.1}, {"b": 0.1})


@pytest.mark.parametrize("groups", [1, 12])
def test_slope_intervals_hold_the_true_slope(groups: int):
    rng = np.random.default_rng(6)
    inside = 0
    for seed in range(200):
        minutes = np.tile(np.arange(12) / 6, groups)
        names = [f"u{number // 12}" for number in range(12 * groups)]
        levels = np.repeat(rng.normal(0, 3, groups), 12)
        found = slope("cer", minutes, levels + 0.4 * minutes + rng.normal(0, 0.3, 12 * groups), names, seed, 400)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 0.4 <= found.high
    assert 0.85 <= inside / 200 <= 0.99


def test_a_slope_needs_points_at_three_places():
    with pytest.raises(ValueError, match="3 points"):
        slope("cer", [0, 1], [0, 1])
    with pytest.raises(ValueError, match="different places"):
        slope("cer", [1, 1, 1], [0, 1, 2])


def test_spearman_knows_ranks_and_says_nothing_of_constants():
    assert spearman([1, 2, 3, 4], [10, 100, 1000, 10000]) == pytest.approx(1.0)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)
    assert np.isnan(spearman([1, 1, 1], [1, 2, 3]))


def test_many_utterances_are_summarized_in_bounded_memory():
    found = summarize("cer", np.random.default_rng(7).random(50_000), resamples=100)
    assert found.value == pytest.approx(0.5, abs=0.01)
    assert statistics.RESAMPLES == 2000
