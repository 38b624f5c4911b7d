"""The bound of a recogniser's text keeps what is right, drops what is nonsense, and says when there is none."""

from __future__ import annotations

import pytest

from pipeline.recognition.labelled_clip import TooLittle
from pipeline.recognition.text_calibration import Recognised, bound, kept

RIGHT = [Recognised(-0.1 - 0.01 * number, 1, 10) for number in range(20)]
NONSENSE = [Recognised(-0.6 - 0.02 * number, 9, 10) for number in range(20)]


def test_the_lowest_bound_whose_texts_are_right_enough_is_found():
    found = bound(RIGHT + NONSENSE, 0.15)
    assert found is not None
    assert -0.65 < found < -0.25
    assert kept(RIGHT + NONSENSE, found).error <= 0.15
    assert kept(RIGHT + NONSENSE, found).right > 0.85
    assert kept(RIGHT + NONSENSE, -2.0).error == 0.5


def test_a_recogniser_that_knows_nothing_of_a_dialect_has_no_bound():
    assert bound(NONSENSE, 0.3) is None
    assert bound(RIGHT, 0.3) == -2.0


def test_a_bound_is_not_learned_from_a_handful():
    with pytest.raises(TooLittle, match=r"19 clips .* 20 are needed"):
        bound(RIGHT[:19], 0.3)
