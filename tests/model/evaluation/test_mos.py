"""Predicted opinion falls with noise, in the background first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from model.evaluation.mos import PredictedMos


def test_noise_costs_opinion_and_the_background_most(say):
    metric, clean = PredictedMos(), say("cmn", 9, 100)
    noise = np.random.default_rng(0).standard_normal(len(clean.samples)).astype(np.float32)
    level = np.sqrt(np.mean(clean.samples**2)) / 10 ** (5 / 20)
    before = metric.measure(clean).values
    after = metric.measure(replace(clean, samples=clean.samples + level * noise)).values
    assert set(before) == set(metric.gives)
    assert after["dnsmos"] < before["dnsmos"]
    assert before["dnsmos_bak"] - after["dnsmos_bak"] > before["dnsmos_sig"] - after["dnsmos_sig"]
