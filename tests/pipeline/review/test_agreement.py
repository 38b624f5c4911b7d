"""Krippendorff's alpha against the examples that he worked himself, and error between texts."""

from __future__ import annotations

import pytest

from pipeline.review.agreement import alpha, between, squared

# K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011). C: four observers, twelve units, data missing.
_UNITS = [
    [1, 1, 1],
    [2, 2, 3, 2],
    [3, 3, 3, 3],
    [3, 3, 3, 3],
    [2, 2, 2, 2],
    [1, 2, 3, 4],
    [4, 4, 4, 4],
    [1, 1, 2, 1],
    [2, 2, 2, 2],
    [5, 5, 5],
    [1, 1],
    [3],
]


def test_alpha_of_four_observers_with_missing_data_is_as_published() -> None:
    assert alpha(_UNITS) == pytest.approx(0.743, abs=0.0005)
    assert alpha(_UNITS, squared) == pytest.approx(0.849, abs=0.0005)


def test_alpha_of_two_observers_is_as_published() -> None:
    binary = list(zip("0100000010", "1110010000", strict=True))
    nominal = list(zip("aabbdcccedda", "babbbccceddd", strict=True))
    assert alpha(binary) == pytest.approx(0.095, abs=0.0005)
    assert alpha(nominal) == pytest.approx(0.692, abs=0.0005)


def test_alpha_is_undefined_where_all_say_the_same_or_nobody_is_compared() -> None:
    assert alpha([["keep", "keep"], ["keep", "keep"]]) is None
    assert alpha([["keep"], ["drop"]]) is None
    assert alpha([]) is None


def test_error_between_two_texts_does_not_depend_on_which_comes_first() -> None:
    one, other = "今天天气很好。", "今天天很好"
    assert between([(one, other, "cmn")]) == between([(other, one, "cmn")]) == (1, 5.5, 1)
