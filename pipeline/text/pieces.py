"""Which stretch of a punctuated text belongs to each spoken character, and how such stretches are joined again."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

_HAN = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_WORD = rf"(?:(?![{_HAN}])[^\W\d_])+"
_UNIT = re.compile(rf"(?P<number>\d+(?:[.,]\d+)*[%‰]?)|{_WORD}(?:['’]{_WORD})*|[{_HAN}]")
_SPOKEN_NUMBER = r"((?:[零〇一二三四五六七八九十百千万亿点分之两]\0|[\d.,%‰]+\0)+?)"


def text_pieces(text: str, characters: Sequence[str]) -> list[str] | None:
    """`text` cut into one piece per spoken character, with the punctuation around it; `""` goes on with a number.

    `characters` are what the romaniser made of the text, so `25` there is 二, 十, 五. None if they do not fit.
    """
    text = unicodedata.normalize("NFC", text)
    folded = [unicodedata.normalize("NFKC", character) for character in text]
    origin = [index for index, letters in enumerate(folded) for _ in letters]
    units = list(_UNIT.finditer("".join(folded)))
    pattern = "".join(_SPOKEN_NUMBER if unit["number"] else f"({re.escape(unit.group())}\0)" for unit in units)
    match = re.fullmatch(pattern, "".join(f"{character}\0" for character in characters))
    if not units or match is None:
        return None
    pieces: list[str] = []
    position = 0
    for number, unit in enumerate(units):
        stop = len(text)
        if number + 1 < len(units):
            stop = _piece_end(text, origin[unit.end() - 1] + 1, origin[units[number + 1].start()])
        pieces += [text[position:stop], *[""] * (match.group(number + 1).count("\0") - 1)]
        position = stop
    return pieces


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
