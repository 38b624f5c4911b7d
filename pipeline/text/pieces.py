"""Which stretch of a punctuated text belongs to each spoken character, and how such stretches are joined again."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.text import numbers
from pipeline.text.script import folded

_HAN = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_WORD = rf"(?:(?![{_HAN}])[^\W\d_])+"
_UNIT = re.compile(rf"(?P<number>\d+(?:\.\d+)?[%‰]?)|{_WORD}(?:['’]{_WORD})*|[{_HAN}]")


@dataclass(frozen=True)
class _Unit:
    """A stretch `start`..`end` of the text that is said as `words`: one character or word, or several of a number."""

    start: int
    end: int
    words: tuple[str, ...]


def text_pieces(text: str, characters: Sequence[str]) -> list[str] | None:
    """`text` cut into one piece per spoken character, with the punctuation around it; `""` goes on with a number.

    `characters` are what the romaniser made of the text, so `25` there is 二, 十, 五. None if they do not fit.
    """
    text = unicodedata.normalize("NFC", text)
    for units in (_units(text, spoken=True), _units(text, spoken=False)):
        words = [word for unit in units for word in unit.words]
        if units and len(words) == len(characters) and all(map(_same, words, characters)):
            return _cut(text, units)
    return None


def _cut(text: str, units: Sequence[_Unit]) -> list[str]:
    pieces: list[str] = []
    position = 0
    for number, unit in enumerate(units):
        stop = len(text)
        if number + 1 < len(units):
            stop = _piece_end(text, unit.end, units[number + 1].start)
        pieces += [text[position:stop], *[""] * (len(unit.words) - 1)]
        position = stop
    return pieces


def _units(text: str, spoken: bool) -> list[_Unit]:
    """The spoken units of the text in order; `spoken`: numbers as Chinese says them, else as they stand."""
    found: list[_Unit] = []
    position = 0
    for part in numbers.parts(text) if spoken else [numbers.Part(text, text)]:
        length = len(part.written)
        if part.said != part.written:
            words = tuple(unit.group() for unit in _UNIT.finditer(unicodedata.normalize("NFKC", part.said)))
            found.append(_Unit(position, position + length, words))
        else:
            letters = [unicodedata.normalize("NFKC", character) for character in part.written]
            origin = [position + index for index, several in enumerate(letters) for _ in several]
            found += [
                _Unit(origin[unit.start()], origin[unit.end() - 1] + 1, (unit.group(),))
                for unit in _UNIT.finditer("".join(letters))
            ]
        position += length
    return found


def _same(word: str, character: str) -> bool:
    """Whether the romaniser's character is this one, in whichever script and with either word for one."""
    return word == character or folded(word).replace("幺", "一") == folded(character).replace("幺", "一")


def join_texts(pieces: Iterable[str]) -> str:
    """Texts one after another; a space only between alphabetic words, which Chinese does not have."""
    joined = ""
    for piece in pieces:
        if joined and piece and _alphabetic(joined.rstrip()[-1:]) and _alphabetic(piece.lstrip()[:1]):
            joined = f"{joined.rstrip()} {piece.lstrip()}"
        else:
            joined += piece
    return joined.strip()


def _alphabetic(character: str) -> bool:
    """Part of a text that is written with spaces, its punctuation included."""
    return unicodedata.east_asian_width(character or "　") not in "WF" and (character.isascii() or character.isalnum())


def _piece_end(text: str, start: int, stop: int) -> int:
    """Between two spoken units, where the second one's piece begins: opening brackets and quotes go with it."""
    while stop > start and unicodedata.category(text[stop - 1]) in ("Ps", "Pi"):
        stop -= 1
    return stop
