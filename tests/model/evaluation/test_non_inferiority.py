"""A voice is promoted only where the sample can show that it is not worse; what cannot be seen is undecided."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from model.evaluation.promotion import decide, table
from model.evaluation.statistics import compare
from pipeline.settings import Evaluation

MODEL = {"model_id": "m", "dialect": "cmn-tianjin", "status": "candidate", "status_reason": ""}
CER = {"cer": 0.02}
SPREAD = 0.2
"""Standard deviation of the paired differences of an error rate, as on a validation set of single sentences."""


def row(name: str, value: float, low: float | None, high: float | None, n: int = 60) -> dict[str, Any]:
    facts = {"system": "difference", "model_id": "m", "metric": name, "condition": None, "verdict": None}
    return facts | {"value": value, "low": low, "high": high, "n": n}


def judged_share(loss: float, n: int, status: str, trials: int = 200) -> float:
    """How often a voice whose error rate is truly larger by `loss` gets this status, from n utterances."""
    rng, found = np.random.default_rng(n), 0
    for seed in range(trials):
        base = {f"u{number}": 0.3 for number in range(n)}
        other = {name: 0.3 + loss + rng.normal(0, SPREAD) for name in base}
        one = compare("cer", base, other, seed=seed, resamples=400)
        found += decide([row("cer", one.value, one.low, one.high, n)], MODEL, CER).status == status
    return found / trials


def test_one_utterance_with_everything_worse_is_undecided() -> None:
    ruined = [
        row("cer", 0.8, None, None, 1),
        row("similarity", -0.4, None, None, 1),
        row("dnsmos", -1.5, None, None, 1),
    ]
    decision = decide(ruined, MODEL, {"cer": 0.02, "similarity": 0.02, "dnsmos": 0.1})
    assert decision.status == "undecided"
    assert decision.reason.count("at least 10 utterances are asked for") == 3


@pytest.mark.parametrize("n", [5, 10, 60, 100])
def test_a_true_loss_of_five_points_is_promoted_in_no_more_than_one_of_twenty_cases(n: int) -> None:
    assert judged_share(0.05, n, "promoted") <= 0.05


def test_a_loss_of_the_margin_is_promoted_in_no_more_than_one_of_twenty_cases() -> None:
    assert judged_share(0.02, 60, "promoted") <= 0.05


def test_a_voice_without_any_loss_is_promoted_where_there_are_utterances_enough_and_else_left_open() -> None:
    assert judged_share(0.0, 600, "promoted", 100) >= 0.6
    assert judged_share(0.0, 60, "undecided") >= 0.75
    assert judged_share(0.0, 60, "rejected") <= 0.05


def test_the_number_that_would_decide_is_said_and_decides() -> None:
    rng = np.random.default_rng(3)
    made = rng.normal(0, SPREAD, 20_000)
    made -= made.mean()

    def decision(n: int) -> Any:
        change = made[:n] - made[:n].mean()
        one = compare("cer", {f"u{k}": 0.3 for k in range(n)}, {f"u{k}": 0.3 + d for k, d in enumerate(change)})
        return decide([row("cer", one.value, one.low, one.high, n)], MODEL, CER)

    few = decision(60)
    assert few.status == "undecided"
    said = re.search(r"about (\d+) would decide", few.reason)
    assert said is not None
    assert decision(round(1.2 * int(said[1]))).status == "promoted"
    assert decision(round(0.7 * int(said[1]))).status == "undecided"


def test_a_sure_loss_within_the_margin_does_not_refuse_a_voice_and_one_beyond_it_does() -> None:
    small, large = row("cer", 0.01, 0.005, 0.015), row("cer", 0.03, 0.02, 0.04)
    assert decide([small], MODEL, CER).status == "promoted"
    assert decide([large], MODEL, CER).status == "rejected"
    as_large = decide([row("cer", 0.02, -0.05, 0.09)], MODEL, CER)
    assert (as_large.status, "the loss itself is as large as the margin" in as_large.reason) == ("undecided", True)


def test_a_rate_that_no_utterance_changed_is_bounded_by_their_number() -> None:
    few, many = ({f"u{k}": 1.0 for k in range(n)} for n in (20, 60))
    one, other = compare("stop_rate", few, few), compare("stop_rate", many, many)
    assert one.low == pytest.approx(-0.1684, abs=1e-3)  # 1 - 0.025 ** (1 / 20)
    assert other.low == pytest.approx(-0.0596, abs=1e-3)
    guarded = {"stop_rate": 0.06}
    assert decide([row("stop_rate", 0.0, one.low, one.high, 20)], MODEL, guarded).status == "undecided"
    assert decide([row("stop_rate", 0.0, other.low, other.high, 60)], MODEL, guarded).status == "promoted"


def test_an_interval_over_voices_is_wider_where_voices_differ_and_holds_the_truth() -> None:
    inside, alone = 0, 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        of_voice = rng.normal(0, 0.1, 12)
        base = {f"u{k}": 0.0 for k in range(60)}
        voices = {f"u{k}": f"v{k % 12}" for k in range(60)}
        other = {f"u{k}": of_voice[k % 12] + rng.normal(0, 0.1) for k in range(60)}
        with_voices = compare("dnsmos", base, other, seed=seed, resamples=400, voices=voices)
        without = compare("dnsmos", base, other, seed=seed, resamples=400)
        assert with_voices.value == without.value
        inside += (with_voices.low or 0) <= 0 <= (with_voices.high or 0)
        alone += (without.low or 0) <= 0 <= (without.high or 0)
    assert inside / 150 >= 0.9 > alone / 150


def test_few_voices_leave_the_interval_to_the_utterances() -> None:
    rng = np.random.default_rng(1)
    base, other = {f"u{k}": 0.0 for k in range(30)}, {f"u{k}": rng.normal() for k in range(30)}
    two = compare("dnsmos", base, other, voices={f"u{k}": f"v{k % 2}" for k in range(30)})
    assert two == compare("dnsmos", base, other)


def test_the_table_says_margin_and_whether_the_interval_is_within_it() -> None:
    lines = table(decide([row("cer", 0.03, 0.02, 0.04)], MODEL, CER)).splitlines()
    assert lines[-1] == "| Character error rate | base | +3.0 points | 2.0 to 4.0 | +2.0 points | 60 | no | worse |"


@pytest.mark.parametrize("guarded", [["cer"], {"cer": 0.0}, {"cer": -0.1}, {"cer": float("nan")}])
def test_a_guarded_metric_without_a_margin_is_refused(guarded: Any) -> None:
    with pytest.raises(ValidationError, match="guarded"):
        Evaluation(guarded=guarded)
