"""The named policies grade as published; only hard rules drop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.audio.dnsmos import Mos
from pipeline.corpus.tiers import TIERS, drop_reason, pace_bounds, tier
from pipeline.settings import Score

ANY_PACE = (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("policy", "dnsmos", "expected"),
    [
        ("emilia", 3.0, "keep"),
        ("emilia", 2.99, "below"),
        ("tts4", 4.0, "premium"),
        ("tts4", 3.99, "standard"),
        ("tts4", 3.8, "standard"),
        ("tts4", 3.6, "basic"),
        ("tts4", 1.0, "rest"),
    ],
)
def test_tiers_by_dnsmos(policy, dnsmos: float, expected: str) -> None:
    other = 5.0 if expected in ("below", "rest") else 1.0
    mos = Mos(ovrl=dnsmos, sig=3.0, bak=3.0, p808=other) if policy == "emilia" else Mos(other, 3.0, 3.0, dnsmos)
    assert tier(policy, mos) == expected
    assert expected in TIERS[policy]


@pytest.mark.parametrize(
    ("seconds", "characters", "overlap", "expected"),
    [
        (3.0, 12, 0.0, None),
        (30.0, 120, 0.1, None),
        (2.99, 12, 0.0, "too_short"),
        (30.01, 120, 0.0, "too_long"),
        (5.0, 1, 0.0, "too_few_characters"),
        (5.0, 20, 0.11, "overlap"),
    ],
)
def test_hard_rules(seconds: float, characters: int, overlap: float, expected: str | None) -> None:
    for policy in ("emilia", "tts4"):
        assert drop_reason(Score(policy=policy), seconds, characters, overlap, ANY_PACE) == expected


def test_an_unusual_pace_is_dropped_by_emilia_alone() -> None:
    usual = pace_bounds([0.2, 0.21, 0.22, 0.2, 0.23, 0.19, 0.2, 0.21])
    assert drop_reason(Score(policy="emilia"), 5.0, 25, 0.0, usual) is None
    assert drop_reason(Score(policy="emilia"), 5.0, 10, 0.0, usual) == "rate_outlier"
    assert drop_reason(Score(policy="tts4"), 5.0, 10, 0.0, usual) is None


def test_pace_bounds_are_the_quartiles_and_say_nothing_about_few_segments() -> None:
    paces = list(np.random.default_rng(0).uniform(0.1, 0.4, 50))
    lower, upper = np.quantile(paces, [0.25, 0.75])
    assert pace_bounds(paces) == pytest.approx((lower - 1.5 * (upper - lower), upper + 1.5 * (upper - lower)))
    assert pace_bounds(paces[:7]) == ANY_PACE
