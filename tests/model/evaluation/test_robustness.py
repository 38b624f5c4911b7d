"""Faults put into studio speech by hand are found where they are, and sound speech has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.evaluation.recognition import UtteranceAligner, UtteranceRecognizer
from model.evaluation.robustness import Robustness, missing_runs, repeated_runs, silences
from model.evaluation.utterance import NotMeasured, Utterance

CASES = [("cmn-tianjin", voice, 40 + voice) for voice in (1, 3, 5, 7)] + [("cmn", 4, 61), ("cmn", 4, 62)]


@pytest.fixture(scope="module")
def metric(recognizer: UtteranceRecognizer, aligner: UtteranceAligner) -> Robustness:
    return Robustness(recognizer, aligner)


def _cut(said: Utterance, first: int, last: int) -> tuple[int, int]:
    assert said.spans is not None
    return round(said.spans[first].start * said.sample_rate), round(said.spans[last - 1].end * said.sample_rate)


def _faulty(said: Utterance, samples: np.ndarray, name: str) -> Utterance:
    return replace(said, utterance_id=name, samples=samples.astype(np.float32), spans=None)


def test_faults_of_a_text_are_told_from_errors_of_the_recogniser():
    expected = list("今天天气很好")
    assert repeated_runs(expected, list("今天天气天气很好")) == [(2, ["天", "气"])]
    assert repeated_runs(expected, list("今天今天天气很好")) == [(0, ["今", "天"])]
    assert repeated_runs(expected, list("今天天气还是很好")) == []
    assert repeated_runs(expected, list("今天天天气很好")) == []
    assert missing_runs(expected, list("今天好")) == [(2, 5)]
    assert missing_runs(expected, list("今天天气好")) == []


def test_sound_speech_repeats_and_skips_nothing(say, metric: Robustness):
    for case in CASES:
        found = metric.measure(say(*case))
        assert (found.values["repeats"], found.values["skips"]) == (0, 0), found.details


def test_three_characters_cut_out_are_a_skip(say, metric: Robustness):
    found = []
    for case in CASES:
        said = say(*case)
        first, last = _cut(said, 2, 5)
        found.append(metric.measure(_faulty(said, np.delete(said.samples, np.s_[first:last]), "cut")).values)
    assert sum(values["skips"] == 1 for values in found) >= len(CASES) - 1
    assert sum(values["repeats"] for values in found) == 0


def test_three_characters_said_twice_are_a_repeat(say, metric: Robustness):
    found = []
    for case in CASES:
        said = say(*case)
        first, last = _cut(said, 1, 4)
        twice = np.insert(said.samples, last, said.samples[first:last])
        found.append(metric.measure(_faulty(said, twice, "twice")).values)
    # In two of the six the recogniser smooths the repeat away.
    assert sum(values["repeats"] == 1 for values in found) >= 4
    assert sum(values["skips"] for values in found) == 0


def test_a_stop_counts_only_if_the_model_stopped_in_time(say, metric: Robustness):
    said = say("cmn", 4, 61)
    stopped = replace(said, facts={"stop_reason": "stopped"})
    assert metric.measure(stopped).values["stop_rate"] == 1
    assert metric.measure(replace(said, facts={"stop_reason": "max_patches"})).values["stop_rate"] == 0
    expected = metric.expected_seconds(said)
    longer = np.zeros(round(1.6 * expected * said.sample_rate), np.float32)
    longer[: len(said.samples)] = said.samples
    drawn = metric.measure(replace(stopped, samples=longer)).values
    assert drawn["stop_rate"] == 0
    assert drawn["duration_ratio"] == pytest.approx(1.6, abs=1e-3)


def test_the_expected_length_follows_the_pace_of_the_corpus(
    say, recognizer: UtteranceRecognizer, aligner: UtteranceAligner
):
    said = say("cmn", 4, 61)
    slow = Robustness(recognizer, aligner, {"cmn": 2.0})
    assert slow.expected_seconds(said) == pytest.approx(len(said.spans) / 2.0)


def test_silences_are_measured_at_their_length():
    rate = 16_000
    tone = 0.1 * np.sin(np.arange(rate) * 0.2).astype(np.float32)
    samples = np.concatenate([np.zeros(rate // 2), tone, np.zeros(rate), tone, np.zeros(rate // 2)]).astype(np.float32)
    share, longest = silences(samples, rate)
    assert share == pytest.approx(0.5, abs=0.02)
    assert longest == pytest.approx(1.0, abs=0.04)


def test_clipping_is_the_share_of_samples_at_full_scale(say, metric: Robustness):
    said = say("cmn", 4, 61)
    loud = replace(said, samples=np.clip(said.samples * 20, -1, 1))
    assert metric.measure(said).values["clipped_share"] == 0
    assert metric.measure(loud).values["clipped_share"] > 0.05


def test_nothing_said_is_not_measured(metric: Robustness):
    with pytest.raises(NotMeasured, match="no audio"):
        metric.measure(Utterance("none", "cmn", "好", np.zeros(0, np.float32), 16_000))
