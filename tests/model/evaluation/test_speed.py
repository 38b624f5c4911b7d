"""A speed curve has a point for each setting with its conditions, and times the model that it is given."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_checkpoint import CHECKPOINT

from model.evaluation.speed import GenerationSpeed, machine, speed_curve
from model.evaluation.statistics import summarize
from model.evaluation.utterance import NotMeasured, Utterance
from model.voxcpm2.model import VoxCPM2, load


@pytest.fixture(scope="module")
def tiny() -> VoxCPM2:
    return load(CHECKPOINT, device="cpu")


def test_every_setting_is_a_point_with_its_conditions(tiny: VoxCPM2):
    told: list[tuple[int, int]] = []
    points = speed_curve(
        tiny,
        ["你好。"],
        steps=(2, 6),
        guidance=(2.0,),
        batches=(1, 2),
        repeats=2,
        progress=lambda done, of: told.append((done, of)),
    )
    assert [(point.steps, point.guidance, point.batch) for point in points] == [
        (2, 2.0, 1),
        (2, 2.0, 2),
        (6, 2.0, 1),
        (6, 2.0, 2),
    ]
    assert told[-1] == (4, 4)
    for point in points:
        assert point.audio_seconds > 0
        assert point.rtf.value > 0
        assert point.first_audio_s.value > 0
        assert (point.device, point.precision, point.threads) == ("cpu", "float32", torch.get_num_threads())
    assert points[0].first_audio_s == points[1].first_audio_s


def test_a_curve_needs_texts(tiny: VoxCPM2):
    with pytest.raises(ValueError, match="at least one text"):
        speed_curve(tiny, [])


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
