"""Tones that fade at a known rate are a drift of that rate; steady speech is not flagged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model.evaluation.drift import WINDOW_SECONDS, Point, drift_of, measure_drift, windows
from model.evaluation.recognition import UtteranceAligner
from model.evaluation.tones import ToneFidelity
from model.evaluation.utterance import Measurement, NotMeasured, Span, Utterance
from studio import tones as studio_tones


def _long(studio_says, voice: int, seed: int, fading_per_minute: float) -> Utterance:
    """About 45 s of studio Tianjin whose pitch moves to its mean at the rate asked for."""
    samples: list[np.ndarray] = []
    spans: list[Span] = []
    text, at, number = "", 0.0, 0
    while at < 45.0:
        said = studio_says("cmn-tianjin", voice, seed + number)
        share = min(1.0, fading_per_minute * (at + said.duration / 2) / 60.0)
        changed = studio_tones.flatten(said, share) if share else said
        samples += [changed.samples, np.zeros(round(0.3 * said.sample_rate), np.float32)]
        spans += [Span(one.character, one.syllable, at + one.start, at + one.end) for one in said.spans]
        text += said.sentence.text
        at += (len(changed.samples) + len(samples[-1])) / said.sample_rate
        number += 1
    rate = said.sample_rate
    return Utterance(f"long{voice}", "cmn-tianjin", text, np.concatenate(samples), rate, spans=tuple(spans))


def test_windows_are_cut_between_characters_and_keep_the_text(studio_says, aligner: UtteranceAligner):
    long = _long(studio_says, 7, 700, 0.0)
    cut = windows(long, aligner)
    assert "".join(window.utterance.text for window in cut) == long.text
    assert sum(len(window.utterance.samples) for window in cut) == pytest.approx(len(long.samples), abs=len(cut))
    for window in cut[:-1]:
        assert window.utterance.seconds == pytest.approx(WINDOW_SECONDS, abs=1.5)
    for window in cut:
        assert window.utterance.spans is not None
        assert window.utterance.spans[0].start >= 0
        assert window.utterance.spans[-1].end <= window.utterance.seconds


def test_a_long_pause_makes_no_windows_of_single_characters(aligner: UtteranceAligner):
    starts = [*np.arange(0.0, 5.0, 0.5), *np.arange(42.0, 60.0, 0.5)]
    spans = tuple(Span("好", "hao3", start, start + 0.4) for start in starts)
    spoken = Utterance("u", "cmn", "好" * len(spans), np.zeros(60 * 1000, np.float32), 1000, spans=spans)
    cut = windows(spoken, aligner)
    assert [window.start for window in cut] == pytest.approx([0.0, 23.2, 42.45, 50.45], abs=0.5)
    assert all(window.utterance.seconds >= WINDOW_SECONDS / 2 for window in cut)


class FirstWindowOnly:
    """A measure that only the first window of an utterance has."""

    name = "mos"
    gives = ("dnsmos",)
    conditions: Mapping[str, Any] = {}

    def measure(self, utterance: Utterance) -> Measurement:
        if not utterance.utterance_id.endswith("@0s"):
            raise NotMeasured("not here")
        return Measurement({"dnsmos": 3.0})


def test_a_measure_with_one_window_in_each_utterance_has_no_slope_and_stops_nothing(aligner: UtteranceAligner):
    spans = tuple(Span("好", "hao3", start, start + 0.4) for start in np.arange(0.0, 45.0, 0.5))
    samples = np.zeros(45 * 1000, np.float32)
    spoken = [Utterance(f"u{n}", "cmn", "好" * len(spans), samples, 1000, spans=spans) for n in range(3)]
    drifts, rows = measure_drift(spoken, [FirstWindowOnly()], aligner)
    assert drifts == []
    assert [row.value for row in rows].count(3.0) == 3


@pytest.mark.parametrize(("fading", "flagged"), [(0.8, True), (0.0, False)])
def test_fading_tones_drift_at_the_rate_they_fade(studio_says, aligner: UtteranceAligner, fading: float, flagged: bool):
    spoken = [_long(studio_says, voice, 700 + 40 * voice, fading) for voice in (7, 21)]
    drifts, rows = measure_drift(spoken, [ToneFidelity(aligner)], aligner)
    found = {drift.metric: drift for drift in drifts}["tone_distance"]
    assert found.slope.value == pytest.approx(fading, abs=0.15)
    assert found.flagged == flagged
    assert len(found.points) == len({row.utterance_id for row in rows}) >= 8


@pytest.mark.parametrize(("metric", "per_minute", "flagged"), [("cer", 0.2, True), ("cer", -0.2, False)])
@pytest.mark.parametrize("utterances", [1, 6])
def test_only_the_bad_direction_is_flagged(metric: str, per_minute: float, flagged: bool, utterances: int):
    rng = np.random.default_rng(1)
    points = [
        Point(f"u{number}", start, 0.2 + per_minute * start / 60 + rng.normal(0, 0.01))
        for number in range(utterances)
        for start in range(0, 90, 10)
    ]
    found = drift_of(metric, points)
    assert found.slope.value == pytest.approx(per_minute, abs=0.03)
    assert found.flagged == flagged
    better = drift_of("dnsmos", [replace(point, value=4 - 2 * point.value) for point in points])
    assert better.flagged == flagged


def test_a_slope_too_small_to_hear_is_not_flagged():
    points = [Point("u", float(start), 0.1 + 0.01 * start / 60) for start in range(0, 90, 10)]
    found = drift_of("cer", points)
    assert found.slope.low == pytest.approx(0.01)
    assert not found.flagged


def test_short_speech_says_nothing_of_drift(say, aligner: UtteranceAligner):
    drifts, rows = measure_drift([say("cmn-tianjin", 1, 41)], [ToneFidelity(aligner)], aligner)
    assert drifts == []
    assert [row.metric for row in rows] == ["drift"]
    assert "before 30 s" in rows[0].note
