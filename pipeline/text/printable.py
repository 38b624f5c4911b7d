"""Text from files and names as a terminal may show it: nothing in it is obeyed."""

from __future__ import annotations

from collections.abc import Callable
from unicodedata import category

_FORMULA = tuple("=+-@＝＋－＠\t")


def printable(text: str, keep: str = "\n", escape: Callable[[str], str] = ascii) -> str:
    """`text` with an escape for each control character and each that turns the direction of writing.

    Characters of `keep` stay, and so do blanks of any width. `escape` gives a character's escape, in quotes or not.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in keep or category(letter) == "Zs" else escape(letter).strip("'\"")
        for letter in text
    )


def formula_defused(text: str) -> str:
    """A cell of a CSV file that no spreadsheet computes: an apostrophe before one that begins with = + - @ or a tab."""
    return "'" + text if text.startswith(_FORMULA) else text


def in_a_line(text: str, longest: int = 500) -> str:
    """A text that can be stored and shown in one line, whatever it came from; the end of a long one is left out."""
    shown = printable(text, keep="")
    return shown if len(shown) <= longest else f"{shown[:longest]} ..."
