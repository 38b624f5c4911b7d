"""Error rates count what was said wrong, through the embedded recogniser and its own windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.evaluation.intelligibility import Intelligibility, error_rate
from model.evaluation.recognition import UtteranceRecognizer
from model.evaluation.statistics import summarize
from model.evaluation.utterance import Measurement, NotMeasured, Utterance


def _rate(measured: list[Measurement], name: str) -> float:
    return summarize(name, [one.values[name] for one in measured], [one.weights[name] for one in measured]).value


@pytest.fixture(scope="module")
def metric(recognizer: UtteranceRecognizer) -> Intelligibility:
    return Intelligibility(recognizer)


def test_errors_are_counted_over_the_units_of_the_text():
    assert error_rate("今天天气好", "今天气好啊", "cer") == (pytest.approx(2 / 5), 5)
    assert error_rate("one two three", "one too three four", "wer") == (pytest.approx(2 / 3), 3)


def test_clear_speech_of_unseen_voices_is_understood(say, recognizer: UtteranceRecognizer, metric: Intelligibility):
    said = [say(dialect, 2 * seed, seed) for seed, dialect in enumerate(("cmn", "yue", "cmn-sichuan", "cmn-tianjin"))]
    said += [say("cmn-tianjin", voice, 40 + voice) for voice in range(1, 9, 2)]
    recognizer.transcribe(said)
    measured = [metric.measure(utterance) for utterance in said]
    assert _rate(measured, "cer") < 0.1
    assert _rate(measured, "cer_raw") >= _rate(measured, "cer")
    assert all("compared by characters" in one.notes["wer"] for one in measured)


def test_a_wrong_text_costs_its_share_of_the_characters(say, metric: Intelligibility):
    right = say("cmn-tianjin", 1, 41)
    heard = metric.measure(right).details["heard"]
    kept = [character for character in heard if character.isalnum()]
    expected = "".join(kept) + "甲" * len(kept)
    wrong = metric.measure(replace(right, text=expected))
    assert wrong.values["cer"] == pytest.approx(0.5)
    assert wrong.weights["cer"] == 2 * len(kept)


def test_punctuation_counts_only_in_the_raw_rate(say, metric: Intelligibility):
    right = say("cmn-tianjin", 1, 41)
    heard = metric.measure(right).details["heard"]
    dotted = metric.measure(replace(right, text="！".join(heard)))
    assert dotted.values["cer"] == 0
    assert dotted.values["cer_raw"] > 0.3


def test_long_speech_is_heard_in_windows_that_the_recogniser_can_hold(say, metric: Intelligibility):
    parts = [say("cmn", 4, 60 + seed) for seed in range(7)]
    pause = np.zeros(round(0.4 * parts[0].sample_rate), np.float32)
    samples = np.concatenate([piece for part in parts for piece in (part.samples, pause)])
    assert len(samples) / parts[0].sample_rate > 15
    long = Utterance("long", "cmn", "".join(part.text for part in parts), samples, parts[0].sample_rate)
    assert metric.measure(long).values["cer"] < 0.2


def test_silence_says_nothing_and_is_all_wrong(metric: Intelligibility):
    silent = Utterance("silent", "cmn", "今天天气好。", np.zeros(32_000, np.float32), 16_000)
    assert metric.measure(silent).values["cer"] == 1.0


def test_what_cannot_be_heard_says_why(metric: Intelligibility):
    with pytest.raises(NotMeasured, match="no audio"):
        metric.measure(Utterance("none", "cmn", "好", np.zeros(0, np.float32), 16_000))
    with pytest.raises(NotMeasured, match="no dialect has the code 'klingon'"):
        metric.measure(Utterance("far", "klingon", "nuqneH", np.zeros(16_000, np.float32), 16_000))


def test_recogniser_and_settings_are_named(metric: Intelligibility):
    assert metric.conditions["recognizer"] == "checkpoints/whisper-micro"
    assert metric.conditions["longest_window_s"] == 6.0
    assert metric.conditions["beam_size"] == 5
    assert "NFKC" in metric.conditions["normalization"]
