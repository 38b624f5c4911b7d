"""One text of several hypotheses: aligned character by character, judged by how they sound, and chosen place by place.

After J. Fiscus, A post-processing system to yield reduced word error rates: ROVER, ASRU 1997. Two characters of one
syllable, tone aside, are one hearing and two writings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.recognition.asr_filters import is_letter_of_an_alphabet
from pipeline.recognition.hypothesis import Word
from pipeline.recognition.units import Unit, units_of
from pipeline.text import dialects
from pipeline.text.pieces import join_texts
from pipeline.text.romanize import romanize, syllable_letters
from pipeline.text.writing import written

# Costs of an alignment. One sound written in two ways belongs together more than a missing and an added character do.
_HOMOPHONE, _OTHER, _GAP = 0.25, 1.0, 0.75


@dataclass(frozen=True)
class Token:
    """A spoken character, or a word of letters, with its times in seconds and the recogniser's own probability.

    `sound` is its syllable without tone, or the word itself; "" where the reading is not known.
    """

    text: str
    sound: str
    start: float | None = None
    end: float | None = None
    probability: float | None = None


Slot = tuple[Token | None, ...]
"""One place of the aligned hypotheses: what each recogniser has there, None for nothing."""


@dataclass(frozen=True)
class Choice:
    """What was chosen at a place: the token, and how sure that is, None if nobody knows."""

    token: Token
    confidence: float | None


Judge = Callable[[Slot, float | None], Choice | None]
"""Chooses at one place, given the agreement of the whole stretch; None for leaving it empty."""


def tokens_of(
    units: Sequence[Unit], words: Sequence[Word], dialect: str, avg_logprob: float | None = None
) -> list[Token]:
    """Tokens for the units of what a recogniser wrote, in the dialect's script.

    Times and probabilities are those of the words; without words, or where they do not fit the text, there are no times
    and the probability is that of a mean token.
    """
    mean = None if avg_logprob is None else math.exp(avg_logprob)
    about: list[tuple[float | None, float | None, float | None]] = [
        times for word in words for times in _shared(word, len(units_of(written(word.text, dialect))))
    ]
    if len(about) != len(units):
        about = [(None, None, mean)] * len(units)
    names = [unit.text for unit in units]
    return [
        Token(name, sound, start, end, mean if probability is None else probability)
        for name, sound, (start, end, probability) in zip(names, sounds(names, dialect), about, strict=True)
    ]


def _shared(word: Word, count: int) -> list[tuple[float, float, float | None]]:
    """Start, end and probability for each of a word's units, which share its time evenly."""
    step = (word.end - word.start) / max(count, 1)
    return [(word.start + step * n, word.start + step * (n + 1), word.probability) for n in range(count)]


def sounds(names: Sequence[str], dialect: str) -> list[str]:
    """Each spoken character's syllable without tone, or the word itself; what cannot be read sounds like itself."""
    if dialects.get(dialect).script != "hanzi":
        return [name.lower() for name in names]
    read = romanize(join_texts(names), dialect)
    if len(read) != len(names):
        # A number is read as several characters: then each by itself.
        return [_sound(name, found[0].reading if len(found := romanize(name, dialect)) == 1 else "") for name in names]
    return [_sound(name, one.reading) for name, one in zip(names, read, strict=True)]


def _sound(name: str, reading: str) -> str:
    return syllable_letters(reading) or name.lower()


def align(hypotheses: Sequence[Sequence[Token]]) -> list[Slot]:
    """The hypotheses in places, one after another laid on what the others have so far; the order matters for ties."""
    slots: list[Slot] = [(token,) for token in hypotheses[0]]
    for count, tokens in enumerate(hypotheses[1:], start=1):
        slots = _laid_on(slots, tokens, count)
    return slots


def vote(slots: Sequence[Slot], judge: Judge | None = None) -> list[Choice]:
    """What is chosen at each place, empty places left out; by heads where there is no judge."""
    agreed = agreement(slots)
    chosen = [(judge or by_heads)(slot, agreed) for slot in slots]
    return [choice for choice in chosen if choice is not None]


def agreement(slots: Sequence[Slot]) -> float | None:
    """Share of the places where all recognisers have the same sound; None with fewer than two, or with no places."""
    if not slots or len(slots[0]) < 2:
        return None
    return sum(len({token.sound if token else "" for token in slot}) == 1 for slot in slots) / len(slots)


def by_heads(slot: Slot, agreed: float | None = None) -> Choice | None:
    """The sound that most recognisers have, written as most of them write it; a tie goes to the first recogniser."""
    heard = [token.sound if token else "" for token in slot]
    sound = max(heard, key=lambda one: (heard.count(one), -heard.index(one)))
    same = [token for token in slot if token and token.sound == sound]
    if not same:
        return None
    writings = [token.text for token in same]
    text = max(writings, key=lambda one: (writings.count(one), -writings.index(one)))
    return Choice(same[writings.index(text)], None)


def text_of(choices: Sequence[Choice], units: Sequence[Unit], tokens: Sequence[Token]) -> str:
    """The chosen characters with the punctuation of one recogniser's `units`, whose `tokens` these are."""
    out: list[str] = []
    number = -1
    for own, theirs in align([[choice.token for choice in choices], tokens]) if choices else []:
        number += theirs is not None
        before, after = (units[number].before, units[number].after) if theirs is not None else ("", "")
        if own is not None:
            blank = " " if out and all(map(is_letter_of_an_alphabet, (out[-1][-1], own.text[0]))) else ""
            out.append(blank + before + own.text + after)
        elif out:
            out[-1] += after
    return "".join(out).strip()


def _laid_on(slots: Sequence[Slot], tokens: Sequence[Token], count: int) -> list[Slot]:
    """Slots of `count` recognisers and one more's tokens: the alignment of least cost (Levenshtein)."""
    rows, columns = len(slots) + 1, len(tokens) + 1
    cost = [[0.0] * columns for _ in range(rows)]
    for row in range(1, rows):
        cost[row][0] = cost[row - 1][0] + _gap(slots[row - 1])
    for column in range(1, columns):
        cost[0][column] = cost[0][column - 1] + _GAP
        for row in range(1, rows):
            cost[row][column] = min(
                cost[row - 1][column - 1] + _cost(slots[row - 1], tokens[column - 1]),
                cost[row - 1][column] + _gap(slots[row - 1]),
                cost[row][column - 1] + _GAP,
            )
    laid: list[Slot] = []
    row, column = rows - 1, columns - 1
    while row or column:
        here = cost[row][column]
        if row and column and math.isclose(here, cost[row - 1][column - 1] + _cost(slots[row - 1], tokens[column - 1])):
            row, column = row - 1, column - 1
            laid.append((*slots[row], tokens[column]))
        elif row and math.isclose(here, cost[row - 1][column] + _gap(slots[row - 1])):
            row -= 1
            laid.append((*slots[row], None))
        else:
            column -= 1
            laid.append((*[None] * count, tokens[column]))
    return laid[::-1]


def _cost(slot: Slot, token: Token) -> float:
    there = [one for one in slot if one is not None]
    if any(one.text.lower() == token.text.lower() for one in there):
        return 0.0
    return _HOMOPHONE if any(one.sound == token.sound for one in there) else _OTHER


def _gap(slot: Slot) -> float:
    return _GAP / 2 if None in slot else _GAP
