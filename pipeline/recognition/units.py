"""A written text as its spoken units: each Chinese character alone, words of letters whole, with the marks around."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from pipeline.recognition.asr_filters import is_letter_of_an_alphabet

_INSIDE_WORDS = "'’"


@dataclass(frozen=True)
class Unit:
    """One spoken character or word as it is written; `before` and `after` are the marks that go with it."""

    text: str
    before: str = ""
    after: str = ""


def units_of(text: str) -> list[Unit]:
    """The units of a text; opening marks go with what follows, all others and blanks with what comes before."""
    units: list[Unit] = []
    opening = ""
    apart = True
    for place, character in enumerate(text):
        if character.isalnum() or unicodedata.category(character) in ("Mn", "Mc"):
            joins = is_letter_of_an_alphabet(character) or not character.isalnum()
            if joins and units and not apart and _in_word(units[-1].text[-1]):
                units[-1] = Unit(units[-1].text + character, units[-1].before)
            else:
                units.append(Unit(character, opening))
            opening, apart = "", False
            continue
        inside = character in _INSIDE_WORDS and not apart and text[place + 1 : place + 2].isalpha()
        if inside and units and _in_word(units[-1].text[-1]):
            units[-1] = Unit(units[-1].text + "'", units[-1].before)
            continue
        apart = True
        if unicodedata.category(character) in ("Ps", "Pi") or not units:
            opening += character.strip()
        else:
            units[-1] = Unit(units[-1].text, units[-1].before, units[-1].after + character)
    return units


def _in_word(character: str) -> bool:
    return is_letter_of_an_alphabet(character) or character == "'" or not character.isalnum()
