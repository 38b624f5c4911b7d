"""The dialect identifier's recipe on a few minutes of speech: what is said, examples, resumption, calibration, card."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.recognition.dialect_micro import DialectConfig, MicroIdentifier
from pipeline.settings import DialectIdentifier
from recipes.bank import Bank, build_bank
from recipes.dialect import train
from recipes.dialect.data import Examples, analyse, target
from recipes.dialect.english import english_sentence
from recipes.dialect.scores import calibration_error, wilson
from recipes.dialect.speech import KINDS, LABELS, say_kind
from studio import voices

SMALL = DialectConfig(LABELS, fine=8, width=8, dilations=(1,))


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bank, Bank]:
    folder = tmp_path_factory.mktemp("dialect-bank")
    kinds = tuple(KINDS)
    build_bank(folder / "train", 0.045, 1, held_out=False, workers=1, dialects=kinds, say=say_kind)
    build_bank(folder / "held_out", 0.1, 2, held_out=True, workers=1, dialects=kinds, say=say_kind)
    return Bank(folder / "train"), Bank(folder / "held_out")


def test_every_kind_is_said_by_one_voice_for_nine_seconds():
    draw = random.Random(1)
    for kind in ("cmn, Tianjin words", "cmn-henan", "en", "flat yue"):
        said = say_kind(kind, draw, voices.voices()[:5], False)
        assert said.duration >= 9.0
        assert np.abs(said.samples).max() > 0.05


def test_english_sentences_of_training_and_test_are_apart():
    draw = random.Random(2)
    training = {english_sentence(draw) for _ in range(200)}
    held_out = {english_sentence(draw, held_out=True) for _ in range(50)}
    assert not training & held_out
    assert all(text.isascii() for text in training | held_out)


def test_speech_without_tones_is_shown_as_no_dialect_more_than_another():
    shares = target("")
    assert shares.sum() == pytest.approx(1.0)
    assert shares[LABELS.index("en")] == 0.0
    assert len({float(share) for share in shares if share}) == 1


@pytest.fixture(scope="module")
def analysed(banks: tuple[Bank, Bank], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dialect-state")
    analyse(banks[0].path, folder / "analysed", seed=0, workers=1)
    return folder


@pytest.mark.slow
def test_examples_of_a_step_are_the_same_each_time(analysed: Path):
    folder = analysed / "analysed"
    first, again = Examples(folder, 0, 8).batch(3), Examples(folder, 0, 8).batch(3)
    assert torch.equal(first.features, again.features)
    assert torch.equal(first.targets, again.targets)
    assert first.features.shape[1] == SMALL.inputs


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_weights(banks: tuple[Bank, Bank], analysed: Path, tmp_path: Path):
    for name in ("one", "two"):
        shutil.copytree(analysed, tmp_path / name)
    whole, _ = train.fit(banks[0], tmp_path / "whole", 5.0, 4, state=tmp_path / "one", config=SMALL)
    train.fit(banks[0], tmp_path / "parts", 5.0, 4, state=tmp_path / "two", config=SMALL, stop_at=2)
    parts, facts = train.fit(banks[0], tmp_path / "parts", 5.0, 4, state=tmp_path / "two", config=SMALL)
    assert facts["steps"] == 4
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name])


@pytest.mark.slow
def test_a_training_leaves_a_checkpoint_with_its_temperature_and_a_card(
    banks: tuple[Bank, Bank], analysed: Path, tmp_path: Path
):
    found = train.train(banks[0], banks[1], tmp_path / "micro", 5.0, 2, state=analysed)
    identifier = MicroIdentifier.load(str(tmp_path / "micro"), DialectIdentifier(device="cpu"))
    assert identifier.labels == LABELS
    assert identifier.net.config.temperatures == found["temperatures"]
    assert [seconds for seconds, _ in found["temperatures"]] == [1.0, 2.0, 3.0, 5.0]
    card = (tmp_path / "micro" / "README.md").read_text(encoding="utf-8")
    assert "synthesized speech" in card
    assert f"{found['lengths']['5.0']['accuracy']:.1%}" in card


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy():
    sure = np.full(100, 0.9)
    assert calibration_error(sure, np.arange(100) < 90) == pytest.approx(0.0, abs=1e-9)
    assert calibration_error(sure, np.arange(100) < 60) == pytest.approx(0.3)


def test_the_interval_of_a_share_holds_it():
    low, high = wilson(95, 100)
    assert 0.88 < low < 0.95 < high < 0.99
