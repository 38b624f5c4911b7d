"""Predicted opinion falls with noise, by both judges, in the background first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.evaluation.mos import DistillMos, PredictedMos
from model.evaluation.utterance import NotMeasured


def test_noise_costs_opinion_and_the_background_most(say):
    metric, clean = PredictedMos(), say("cmn", 9, 100)
    noise = np.random.default_rng(0).standard_normal(len(clean.samples)).astype(np.float32)
    level = np.sqrt(np.mean(clean.samples**2)) / 10 ** (5 / 20)
    before = metric.measure(clean).values
    after = metric.measure(replace(clean, samples=clean.samples + level * noise)).values
    assert set(before) == set(metric.gives)
    assert after["dnsmos"] < before["dnsmos"]
    assert before["dnsmos_bak"] - after["dnsmos_bak"] > before["dnsmos_sig"] - after["dnsmos_sig"]


def test_the_second_judge_hears_noise_too_and_prints_nothing(say, capsys: pytest.CaptureFixture[str]):
    metric, clean = DistillMos(), say("cmn", 9, 100)
    noise = np.random.default_rng(0).standard_normal(len(clean.samples)).astype(np.float32)
    before, after = (
        metric.measure(replace(clean, samples=samples)).values["distillmos"]
        for samples in (clean.samples, clean.samples + 0.1 * noise)
    )
    assert 1 <= after < before <= 5
    assert capsys.readouterr().out == ""


def test_the_second_judge_says_nothing_of_a_snippet(say):
    clean = say("cmn", 9, 100)
    with pytest.raises(NotMeasured, match="under"):
        DistillMos().measure(replace(clean, samples=clean.samples[: clean.sample_rate // 4]))
