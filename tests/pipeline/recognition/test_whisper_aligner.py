"""Whisper as an aligner: characters where they are spoken, a text that is not spoken refused however good it is."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

from pipeline.audio import clips
from pipeline.errors import ModelUnavailable
from pipeline.recognition.aligners import ALIGNERS, MIN_SCORE, bounds_of, open_aligner
from pipeline.recognition.alignment import SAMPLE_RATE, AlignmentError, TextAligner
from pipeline.recognition.alignment_gate import fit, gate
from pipeline.recognition.gate_calibration import Fits, fits
from pipeline.recognition.labelled_clip import LabelledClip
from pipeline.settings import Align
from pipeline.text.romanize import Token, romanize
from studio import scripts
from studio.speech import Utterance
from studio.synthesis import speak
from studio.voices import voices

MICRO = Align(kind="whisper", checkpoint="checkpoints/whisper-micro", device="cpu")
PAUSE = 0.3


@pytest.fixture(scope="module")
def aligner() -> TextAligner:
    return open_aligner(MICRO)


@pytest.fixture(scope="module")
def said() -> list[Utterance]:
    draw, cast = random.Random(5), voices(held_out=True)
    dialects = ("cmn", "yue", "cmn-sichuan", "cmn-tianjin")
    return [
        speak(scripts.sentence(dialects[number % 4], draw, held_out=True), cast[number % 6], seed=number)
        for number in range(8)
    ]


def sound(utterance: Utterance) -> np.ndarray:
    pause = np.zeros(round(PAUSE * SAMPLE_RATE), np.float32)
    return np.concatenate([pause, clips.resample(utterance.samples, utterance.sample_rate, SAMPLE_RATE), pause])


def tokens(utterance: Utterance) -> list[Token]:
    return romanize(utterance.sentence.text, utterance.sentence.dialect)


def test_characters_are_found_where_they_are_spoken(aligner: TextAligner, said: list[Utterance]) -> None:
    errors = []
    for utterance in said:
        samples = sound(utterance)
        spans = aligner.lay(samples, tokens(utterance), utterance.sentence.dialect).spans
        assert [span.char for span in spans] == [token.char for token in tokens(utterance)]
        assert all(one.end <= two.start + 1e-9 for one, two in pairwise(spans))
        assert all(0.0 <= span.start < span.end <= len(samples) / SAMPLE_RATE + 1e-6 for span in spans)
        for span, truth in zip(spans, utterance.spans, strict=True):
            errors += [abs(span.start - PAUSE - truth.start), abs(span.end - PAUSE - truth.end)]
    assert np.median(errors) <= 0.04


def test_a_text_that_is_said_passes_its_gate_and_another_sentence_does_not(
    aligner: TextAligner, said: list[Utterance]
) -> None:
    bounds = bounds_of(MICRO)
    passed = []
    for number, utterance in enumerate(said):
        samples, dialect = sound(utterance), utterance.sentence.dialect
        for other in (utterance, said[(number + 3) % len(said)]):
            spans = aligner.lay(samples, tokens(other), dialect).spans
            passed.append((other is utterance, gate(spans, len(samples) / SAMPLE_RATE, None, bounds) is None))
    assert np.mean([good for own, good in passed if own]) >= 0.75
    assert np.mean([good for own, good in passed if not own]) <= 0.125


def test_a_pause_belongs_to_no_character(aligner: TextAligner, said: list[Utterance]) -> None:
    first, second = said[0], said[4]
    gap = np.zeros(SAMPLE_RATE, np.float32)
    samples = np.concatenate([sound(first), gap, sound(second)])
    both = [*tokens(first), *tokens(second)]
    spans = aligner.lay(samples, both, "cmn").spans
    begin = PAUSE + first.spans[-1].end
    pause = (begin + 0.3, begin + 1.3)
    inside = sum(max(0.0, min(span.end, pause[1]) - max(span.start, pause[0])) for span in spans)
    assert inside <= 0.1


def test_words_of_an_alphabet_and_characters_are_laid_together(aligner: TextAligner, said: list[Utterance]) -> None:
    mixed = romanize("我用iPhone打电话OK吗", "cmn")
    spans = aligner.lay(sound(said[0]), mixed, "cmn").spans
    assert [span.char for span in spans] == [token.char for token in mixed]
    assert all(span.end > span.start for span in spans)


def test_what_whisper_cannot_take_is_said(aligner: TextAligner) -> None:
    with pytest.raises(AlignmentError, match=r"31\.0 s are more than"):
        aligner.lay(np.zeros(31 * SAMPLE_RATE, np.float32), romanize("你好", "cmn"), "cmn")
    with pytest.raises(AlignmentError, match=r"tokens are more than the 440"):
        aligner.lay(np.zeros(SAMPLE_RATE, np.float32), romanize("你好" * 300, "cmn"), "cmn")
    assert aligner.lay(np.zeros(SAMPLE_RATE, np.float32), [], "cmn").spans == []


def test_every_kind_is_opened_by_the_same_call_and_says_the_same_of_a_text(said: list[Utterance]) -> None:
    for kind, checkpoint in (("ctc", "checkpoints/aligner-micro"), ("whisper", "checkpoints/whisper-micro")):
        settings = Align.model_validate({"kind": kind, "checkpoint": checkpoint, "device": "cpu"})
        laid = open_aligner(settings).lay(sound(said[0]), tokens(said[0]), said[0].sentence.dialect)
        assert len(laid.spans) == len(said[0].spans)
        assert fit(laid.spans) >= bounds_of(settings).min_score
    assert ALIGNERS.keys() == MIN_SCORE.keys()


def test_a_missing_checkpoint_is_named_by_its_key() -> None:
    for kind in ALIGNERS:
        settings = Align.model_validate({"kind": kind, "checkpoint": "checkpoints/no-such"})
        with pytest.raises(ModelUnavailable, match=r"\[align\] checkpoint = 'checkpoints/no-such'"):
            open_aligner(settings)


def test_the_configuration_goes_before_the_checkpoints_own_bound_and_that_before_the_kinds(tmp_path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    settings = Align(kind="whisper", checkpoint=str(folder))
    assert bounds_of(settings).min_score == MIN_SCORE["whisper"]
    (folder / "thresholds.json").write_text('{"align": {"min_score": 0.5, "dialects": {"wuu": {"min_score": 0.4}}}}')
    assert bounds_of(settings).min_score == 0.5
    assert bounds_of(settings, "wuu").min_score == 0.4
    assert bounds_of(Align(kind="whisper", checkpoint=str(folder), min_score=0.7), "wuu").min_score == 0.7


def test_calibration_tells_true_texts_from_wrong_ones(aligner: TextAligner, said: list[Utterance]) -> None:
    labelled = [
        LabelledClip(str(number), sound(one), one.sentence.text, one.sentence.dialect)
        for number, one in enumerate(said[:5])
    ]
    found = fits(aligner, labelled)
    assert (len(found.true), len(found.wrong)) == (5, 15)
    assert found.auc >= 0.9


def test_the_bound_is_the_lowest_that_lets_few_wrong_texts_through() -> None:
    found = Fits(np.array([0.4, 0.6, 0.9]), np.array([*[0.1] * 18, 0.3, 0.5]))
    assert found.bound(0.05) == pytest.approx(0.31)
    assert found.passed(0.31) == (1.0, pytest.approx(0.05))
    assert found.auc == pytest.approx(59 / 60)
