"""Confidence means what it says: curves, errors of calibration, and files that belong to one set of recognisers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ModelUnavailable
from pipeline.recognition.calibration import (
    Calibration,
    Curve,
    expected_calibration_error,
    features,
    isotonic,
    read,
    write,
)
from pipeline.recognition.vote import Token

IDENTITY = [{"kind": "faster-whisper", "checkpoint": "abc", "name": "one", "dialects": []}]


def test_the_error_of_honest_confidence_is_small_and_of_bragging_large():
    draw = np.random.default_rng(0)
    sure = draw.uniform(0, 1, 20_000)
    right = draw.uniform(0, 1, 20_000) < sure
    assert expected_calibration_error(sure, right) < 0.02
    assert expected_calibration_error(np.sqrt(sure), right) == pytest.approx(1 / 6, abs=0.02)


def test_an_isotonic_curve_makes_bragging_honest():
    draw = np.random.default_rng(1)
    true = draw.uniform(0, 1, 20_000)
    right = draw.uniform(0, 1, 20_000) < true
    curve = isotonic(list(np.sqrt(true[:10_000])), list(right[:10_000].astype(float)))
    assert expected_calibration_error([curve(value) for value in np.sqrt(true[10_000:])], right[10_000:]) < 0.02


def calibration(**changes: float) -> Calibration:
    # By weight only the recognisers' log odds count.
    weights = (0.0, 1.0, 0.0, 0.0) * 2 + (0.0,)
    straight = Curve((0.0, 1.0), (0.0, 1.0))
    bounds = {"margin": 0.0, "leave_below": 0.3, "insert_above": 0.5} | changes
    return Calibration(weights, 0.0, **bounds, character=straight, segment=straight, measured_on="studio speech")


def test_the_more_probable_character_is_chosen_with_its_confidence():
    slot = (Token("园", "yuan", probability=0.6), Token("远", "yuan", probability=0.9))
    choice = calibration().judge(slot, 1.0)
    assert choice is not None
    assert (choice.token.text, choice.confidence) == ("远", pytest.approx(0.9))


def test_a_doubtful_character_that_another_recogniser_does_not_hear_is_left_out():
    slot = (Token("啊", "a", probability=0.2), None)
    assert calibration().judge(slot, 0.9) is None
    assert calibration(leave_below=0.1).judge(slot, 0.9) is not None


def test_the_first_recogniser_is_left_only_where_another_is_much_more_probable():
    slot = (Token("园", "yuan", probability=0.6), Token("远", "yuan", probability=0.9))
    choice = calibration(margin=0.4).judge(slot, 1.0)
    assert choice is not None
    assert choice.token.text == "园"


def test_what_the_first_recogniser_does_not_hear_is_put_in_where_it_is_probable():
    assert calibration().judge((None, Token("啊", "a", probability=0.4)), 0.9) is None
    assert calibration().judge((None, Token("啊", "a", probability=0.6)), 0.9) is not None


def test_both_recognisers_count_where_they_agree():
    alone = features((Token("园", "yuan", probability=0.9), None), Token("园", "yuan", probability=0.9), 0.5)
    both = features((Token("园", "yuan", probability=0.9),) * 2, Token("园", "yuan", probability=0.9), 0.5)
    assert calibration().probability(both) > calibration().probability(alone)


def test_a_calibration_is_read_for_its_own_recognisers_only(tmp_path: Path):
    write(tmp_path / "c.json", {"cmn": (IDENTITY, calibration())})
    assert read(tmp_path / "c.json", "cmn", IDENTITY) == calibration()
    assert read(tmp_path / "c.json", "cmn", [IDENTITY[0] | {"name": "other"}]) == calibration()
    assert read(tmp_path / "c.json", "cmn", [IDENTITY[0] | {"checkpoint": "xyz"}]) is None
    assert read(tmp_path / "c.json", "cmn", IDENTITY * 2) is None
    assert read(tmp_path / "c.json", "yue", IDENTITY) is None


def test_a_file_that_is_missing_or_no_calibration_is_named(tmp_path: Path):
    with pytest.raises(ModelUnavailable, match=r"calibration = .*none.json': No such file"):
        read(tmp_path / "none.json", "cmn", IDENTITY)
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(ModelUnavailable, match=r"bad.json' is no calibration"):
        read(tmp_path / "bad.json", "cmn", IDENTITY)
