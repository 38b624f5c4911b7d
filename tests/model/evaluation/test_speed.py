"""Real-time factors count by the audio that they were measured on."""

from __future__ import annotations

import numpy as np
import pytest

from model.evaluation.speed import GenerationSpeed, machine
from model.evaluation.statistics import summarize
from model.evaluation.utterance import NotMeasured, Utterance


def test_real_time_factors_are_weighted_by_the_audio():
    metric = GenerationSpeed()
    spoken = [
        Utterance(str(seconds), "cmn", "好", np.zeros(16_000 * seconds, np.float32), 16_000, facts={"rtf": factor})
        for seconds, factor in ((1, 1.0), (9, 0.1))
    ]
    measured = [metric.measure(utterance) for utterance in spoken]
    found = summarize("rtf", [one.values["rtf"] for one in measured], [one.weights["rtf"] for one in measured])
    assert found.value == pytest.approx(1.9 / 10)
    assert metric.conditions == machine()
    with pytest.raises(NotMeasured, match="not told"):
        metric.measure(Utterance("x", "cmn", "好", np.zeros(16_000, np.float32), 16_000))
