"""Dialect accuracy of utterances: right and wrong tones, none, and what the identifier does not know."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.evaluation.dialect import DialectAccuracy
from model.evaluation.evaluate import evaluate
from model.evaluation.metrics import METRICS
from model.evaluation.promoting import guarded_metrics
from model.evaluation.utterance import NotMeasured, Utterance
from pipeline.lake.lake import Lake
from pipeline.settings import DialectIdentifier, Settings
from studio import scripts, synthesis, tones, voices

SETTINGS = DialectIdentifier(device="cpu")


@pytest.fixture(scope="module")
def metric() -> DialectAccuracy:
    return DialectAccuracy(SETTINGS)


def utterances(words: str, spoken_as: str, count: int = 12, flat: float = 0.0) -> list[Utterance]:
    """Held-out sentences of `words` with the tones of `spoken_as`, by held-out voices, that should be `words`."""
    draw = random.Random(f"{words} {spoken_as}")
    cast = voices.voices(held_out=True)
    made = []
    while len(made) < count:
        sentence = scripts.sentence(words, draw, held_out=True)
        if len(sentence.characters) < 10:
            continue
        said = synthesis.speak(replace(sentence, dialect=spoken_as), draw.choice(cast), len(made), imposed=True)
        said = tones.flatten(said, flat) if flat else said
        name = f"{words}-{len(made)}"
        made.append(Utterance(name, words, sentence.text, said.samples, said.sample_rate, "m"))
    return made


def mean(metric: DialectAccuracy, spoken: Sequence[Utterance], name: str) -> float:
    values = [row.value for row in evaluate(spoken, [metric]) if row.metric == name and row.value is not None]
    assert len(values) == len(spoken)
    return float(np.mean(values))


def test_tianjin_speech_is_tianjin_and_with_mandarin_tones_it_turns_mandarin(metric: DialectAccuracy):
    right, wrong = utterances("cmn-tianjin", "cmn-tianjin"), utterances("cmn-tianjin", "cmn")
    assert mean(metric, right, "dialect_accuracy") >= 0.9
    assert mean(metric, wrong, "dialect_accuracy") <= 0.2
    assert mean(metric, wrong, "mandarin_share") >= 0.7
    assert mean(metric, right, "mandarin_share") <= 0.2


def test_speech_without_tones_loses_probability(metric: DialectAccuracy):
    whole = mean(metric, utterances("cmn-sichuan", "cmn-sichuan"), "dialect_probability")
    flat = mean(metric, utterances("cmn-sichuan", "cmn-sichuan", flat=1.0), "dialect_probability")
    assert whole >= 0.85
    assert flat <= 0.5


def test_a_dialect_that_it_does_not_know_is_not_measured_and_says_why(metric: DialectAccuracy):
    unknown = replace(utterances("cmn", "cmn", count=1)[0], dialect="nan")
    rows = evaluate([unknown], [metric])
    assert {row.value for row in rows} == {None}
    assert all(row.note.startswith("dialect-micro does not know nan") for row in rows)


def test_how_much_turns_mandarin_is_no_question_of_mandarin(metric: DialectAccuracy):
    (row,) = [row for row in evaluate(utterances("cmn", "cmn", 1), [metric]) if row.metric == "mandarin_share"]
    assert (row.value, row.note) == (None, "Mandarin is the dialect")


def test_without_an_identifier_it_is_not_measured():
    with pytest.raises(NotMeasured, match=r"\[dialect\] checkpoint names one"):
        DialectAccuracy(DialectIdentifier(checkpoint="")).measure(utterances("cmn", "cmn", 1)[0])


def test_what_it_gives_is_listed():
    assert set(DialectAccuracy.gives) <= set(METRICS)


def evaluated(lake: Lake, value: float | None, detail: str | None) -> None:
    row = {"utterance_id": "u", "model_id": "m", "system": "base", "dialect": "nan", "metric": "dialect_accuracy"}
    lake.write("evaluation", "nan", [row | {"value": value, "detail": detail}])


@pytest.mark.parametrize(
    ("value", "detail", "guarded"),
    [
        (1.0, None, True),
        (None, "dialect-micro does not know nan; it knows cmn, yue", False),
        (None, "failed: RuntimeError: out of memory", True),  # what failed cannot be vouched for
    ],
)
def test_promotion_guards_it_only_where_the_identifier_can_judge(
    tmp_path: Path, value: float | None, detail: str | None, guarded: bool
):
    lake = Lake(tmp_path)
    assert guarded_metrics(lake, Settings(), "nan") == Settings().evaluation.guarded  # nothing measured yet
    evaluated(lake, value, detail)
    assert ("dialect_accuracy" in guarded_metrics(lake, Settings(), "nan")) == guarded
