"""A run over utterances leaves a row for everything asked, with a value or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model.evaluation.evaluate import conditions, differences, evaluate, summaries
from model.evaluation.intelligibility import Intelligibility
from model.evaluation.metrics import METRICS
from model.evaluation.recognition import UtteranceAligner, UtteranceRecognizer
from model.evaluation.robustness import Robustness
from model.evaluation.speed import GenerationSpeed
from model.evaluation.tones import ToneFidelity
from model.evaluation.utterance import Measurement, Utterance


class Loudness:
    """The level of an utterance: a metric with one known answer."""

    name = "loudness"
    gives = ("dnsmos",)
    conditions: Mapping[str, Any] = {"of": "all samples"}

    def measure(self, utterance: Utterance) -> Measurement:
        if utterance.text == "broken":
            raise RuntimeError("no meter")
        return Measurement({"dnsmos": float(np.abs(utterance.samples).max())})


def _level(name: str, level: float, model: str = "base", text: str = "好") -> Utterance:
    return Utterance(name, "cmn", text, np.full(160, level, np.float32), 16_000, model_id=model)


def test_every_measure_of_every_metric_has_a_row(say, recognizer: UtteranceRecognizer, aligner: UtteranceAligner):
    said = [replace(say("cmn-tianjin", 1, 41), model_id="base", facts={"stop_reason": "stopped", "rtf": 0.4})]
    metrics = [
        Intelligibility(recognizer),
        Robustness(recognizer, aligner),
        ToneFidelity(aligner),
        GenerationSpeed(),
    ]
    rows = evaluate(said, metrics)
    assert [row.metric for row in rows] == [name for metric in metrics for name in metric.gives]
    assert all((row.value is None) == bool(row.note) for row in rows)
    assert {row.metric for row in rows} <= METRICS.keys()
    told = {row.metric: row for row in rows}
    assert told["rtf"].weight == pytest.approx(said[0].seconds)
    assert told["first_audio_s"].note == "not told by the synthesis"
    assert "heard" in told["cer"].details
    assert not told["cer_raw"].details
    assert conditions(metrics)["intelligibility"]["recognizer"] == "checkpoints/whisper-micro"


def test_one_failure_is_noted_and_the_others_go_on():
    rows = evaluate([_level("a", 0.5, text="broken"), _level("b", 0.25)], [Loudness()])
    assert [row.value for row in rows] == [None, 0.25]
    assert rows[0].note == "failed: RuntimeError: no meter"


def test_a_value_that_is_no_number_is_not_measured_and_spoils_no_figure():
    rows = evaluate([_level("a", float("nan")), _level("b", 0.25)], [Loudness()])
    assert [(row.value, row.note) for row in rows] == [(None, "came out as nan"), (0.25, "")]
    assert summaries(rows)["cmn", "base", "dnsmos"].n == 1


class HeardByWords:
    """What Intelligibility gives of a language with spaces."""

    name = "intelligibility"
    gives = ("cer", "cer_raw", "wer", "wer_raw")
    conditions: Mapping[str, Any] = {}

    def measure(self, utterance: Utterance) -> Measurement:
        notes = {"cer": "compared by words", "cer_raw": "compared by words"}
        return Measurement({"wer": 0.5, "wer_raw": 0.5}, details={"heard": "good evening"}, notes=notes)


def test_details_stand_with_the_first_measure_that_has_a_value():
    rows = {row.metric: row for row in evaluate([_level("a", 0.5)], [HeardByWords()])}
    assert rows["wer"].details == {"heard": "good evening"}
    assert not any(rows[name].details for name in ("cer", "cer_raw", "wer_raw"))


def test_summaries_are_by_model_and_differences_by_utterance():
    base = [_level(f"u{n}", 0.1 + n / 100) for n in range(20)]
    tuned = [_level(f"u{n}", 0.2 + n / 100, "tuned") for n in range(1, 20)]
    rows = evaluate(base + tuned, [Loudness()])
    found = summaries(rows)
    assert found["cmn", "base", "dnsmos"].n == 20
    assert found["cmn", "base", "dnsmos"].value == pytest.approx(0.195)
    difference = differences(rows, "base", "tuned")["cmn", "dnsmos"]
    assert (difference.n, difference.verdict) == (19, "better")
    assert difference.value == pytest.approx(0.1)


def test_progress_is_told_after_each_utterance():
    told: list[tuple[int, int]] = []
    evaluate([_level("a", 0.1), _level("b", 0.2)], [Loudness()], lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]
