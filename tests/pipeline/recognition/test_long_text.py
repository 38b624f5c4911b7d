"""Lines of a long text are found where they are spoken, whatever else the recording or the text has."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.recognition.long_text import lay_lines

LABELS = 30
PAUSE = 0


class Speech:
    """Emissions written out by the test: each label certain for some frames."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.labels: list[int] = []

    def line(self, characters: int = 6) -> list[list[int]]:
        """Characters of three labels, no two alike one after another: CTC would want a pause between those."""
        steps = np.cumsum(self.rng.integers(1, LABELS - 1, 3 * characters)) % (LABELS - 1)
        return (1 + steps).reshape(characters, 3).tolist()

    def say(self, line: list[list[int]]) -> tuple[int, int]:
        self.labels += [PAUSE] * 20
        start = len(self.labels)
        for character in line:
            for label in character:
                self.labels += [label] * 6
        return start, len(self.labels)

    def emissions(self, certainty: float = 0.7) -> np.ndarray:
        found = np.full((len(self.labels), LABELS), (1 - certainty) / (LABELS - 1), np.float32)
        found[np.arange(len(found)), self.labels] = certainty
        return np.log(found)


def test_each_line_is_where_it_is_said_and_speech_outside_the_text_is_nobodys() -> None:
    speech = Speech()
    lines = [speech.line() for _ in range(30)]
    truth = []
    for number, line in enumerate(lines):
        if number % 3 == 0:
            speech.say(speech.line(15))
        truth.append(speech.say(line))
    found = lay_lines(speech.emissions(), lines)
    for laid, (start, end) in zip(found, truth, strict=True):
        assert laid is not None
        assert len(laid.frames) == 6
        assert abs(laid.frames[0][0] - start) <= 2
        assert abs(laid.frames[-1][1] - end) <= 2
        assert np.mean(laid.scores) == pytest.approx(0.7, abs=0.02)


def test_a_line_that_is_not_said_is_passed_over_and_the_others_stay() -> None:
    speech = Speech(1)
    lines = [speech.line() for _ in range(12)]
    truth = {number: speech.say(line) for number, line in enumerate(lines) if number not in (0, 4, 5, 11)}
    found = lay_lines(speech.emissions(), lines)
    assert [number for number, laid in enumerate(found) if laid is None] == [0, 4, 5, 11]
    for number, (start, end) in truth.items():
        laid = found[number]
        assert laid is not None
        assert abs(laid.frames[0][0] - start) <= 2
        assert abs(laid.frames[-1][1] - end) <= 2


def test_a_text_far_longer_than_the_band_does_not_drift() -> None:
    speech = Speech(2)
    lines = [speech.line(20) for _ in range(60)]
    truth = [speech.say(line) for line in lines]
    found = lay_lines(speech.emissions(), lines)
    errors = [abs(laid.frames[0][0] - start) for laid, (start, _) in zip(found, truth, strict=True) if laid]
    assert len(errors) == 60
    assert max(errors) <= 2


def test_an_unknown_character_takes_what_is_said_there() -> None:
    speech = Speech(3)
    line = speech.line(5)
    start, end = speech.say(line)
    (laid,) = lay_lines(speech.emissions(), [[*line[:2], [], *line[3:]]])
    assert laid is not None
    assert abs(laid.frames[2][0] - (start + 36)) <= 3
    assert laid.frames[-1][1] == end


def test_nothing_to_lay_and_nothing_to_lay_it_on() -> None:
    assert lay_lines(np.zeros((5, LABELS), np.float32), []) == []
    assert lay_lines(np.zeros((0, LABELS), np.float32), [[[1, 2]]]) == [None]
