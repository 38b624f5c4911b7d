"""What a calibration learns from labelled hypotheses holds on others that were made in the same way."""

from __future__ import annotations

import random
from functools import partial

import pytest

from pipeline.recognition.calibrating import Labelled, fit, measure, share_in_doubt
from pipeline.recognition.vote import Token

CHARACTERS = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏"


def _token(text: str, probability: float | None = None) -> Token:
    return Token(text, text, probability=probability)


def _recognised(said: str, errs: float, draw: random.Random, tells: bool = True) -> list[Token]:
    """Tokens of a recogniser that errs so often and whose probability is too high, but rises with how right it is."""
    found = []
    for one in said:
        doubt = draw.random() ** 2 * 2 * errs
        wrong = draw.random() < doubt
        found.append(_token(draw.choice(CHARACTERS) if wrong else one, 1.0 - doubt / 3 if tells else None))
    return found


def _stretches(seed: int, count: int, first: float, second: float) -> list[Labelled]:
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        said = "".join(draw.choices(CHARACTERS, k=12))
        noise = draw.choice((0.3, 1.0, 2.5))
        heard = (_recognised(said, first * noise, draw), _recognised(said, second * noise, draw, tells=False))
        made.append(Labelled(heard, [_token(one) for one in said]))
    return made


near = partial(pytest.approx, abs=0.02)


@pytest.fixture(scope="module")
def learned() -> list[Labelled]:
    return _stretches(0, 300, 0.15, 0.4)


def test_confidence_is_honest_on_stretches_that_it_was_not_learned_from(learned: list[Labelled]):
    scores = measure(_stretches(1, 300, 0.15, 0.4), fit(learned, "made up"))
    assert scores.character_error < 0.05
    assert scores.segment_error < 0.05


def test_the_vote_is_no_worse_than_the_best_of_them(learned: list[Labelled]):
    scores = measure(_stretches(2, 300, 0.15, 0.4), fit(learned, "made up"))
    assert scores.calibrated <= min(scores.recognisers) + 0.002


def test_the_better_recogniser_is_believed_wherever_it_stands():
    swapped = [Labelled(one.heard[::-1], one.said) for one in _stretches(3, 300, 0.1, 0.6)]
    scores = measure([Labelled(one.heard[::-1], one.said) for one in _stretches(4, 300, 0.1, 0.6)], fit(swapped, "x"))
    assert scores.by_heads == near(scores.recognisers[0])
    assert scores.calibrated < scores.by_heads / 2


def test_errors_are_where_confidence_is_low(learned: list[Labelled]):
    scores = measure(_stretches(5, 300, 0.15, 0.4), fit(learned, "made up"))
    assert scores.doubtful_share > 0.4


def test_the_share_in_doubt_counts_wrong_characters_of_the_least_confident_fifth():
    assert share_in_doubt([0.9, 0.1, 0.8, 0.7, 0.6], [1, 3, 0, 0, 0]) == 0.75
    assert share_in_doubt([0.9, 0.1], [0, 0]) == 1.0


def test_nothing_can_be_learned_where_nothing_is_wrong():
    right = Labelled(([_token("天", 0.9)], [_token("天")]), [_token("天")])
    with pytest.raises(ValueError, match="characters are right and characters are wrong"):
        fit([right], "x")
