"""Patterns of paths below landing, and names as they are compared. Only `*`, `?` and `**` are wildcards."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")


def matches(pattern: str, source: str) -> bool:
    """True if `pattern` is `source` or covers it: `*` and `?` within a folder, `**` for any number of folders.

    A leading `./` says nothing, and backslashes may stand for slashes, as Windows writes them.
    """
    pattern, source = (unicodedata.normalize("NFC", text) for text in (pattern, source))
    if pattern == source:
        return True
    spellings = {pattern, pattern.replace("\\", "/")}
    return any(_covers(_parts(spelling), source.split("/")) for spelling in spellings)


def composed(text: str) -> str:
    """A name as it is compared: macOS writes names of files in another Unicode form than people type."""
    return unicodedata.normalize("NFC", text).strip()


def pattern_flaw(pattern: str) -> str | None:
    """Why a pattern can match nothing below landing, with what to do; None if it can."""
    parts = pattern.replace("\\", "/").removeprefix("./").split("/")
    if parts[0] == "landing":
        return f'"{pattern}" begins with landing/: paths are counted from the landing folder, leave that off'
    if parts[0] == "" or (len(parts[0]) == 2 and parts[0][1] == ":"):
        return f'"{pattern}" is no path below the landing folder: begin with the folder of the dialect'
    if ".." in parts or "" in parts:
        return f'"{pattern}" matches nothing: no part of a path is empty or ".."; for a whole folder end with /**'
    return None


def _parts(pattern: str) -> list[str]:
    parts = [part for part in pattern.split("/") if part != "."]
    # At the end `**` stands for what lies in a folder, at any depth, and not for the folder.
    return [*parts, "*"] if parts and parts[-1] == "**" else parts


def _covers(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    return _wild(pattern, parts, "**", lambda part, name: _wild(part, name, "*", _same_letter))


def _same_letter(wanted: str, letter: str) -> bool:
    return wanted in (letter, "?")


def _wild(pattern: Sequence[str], items: Sequence[_Item], star: str, fits: Callable[[str, _Item], bool]) -> bool:
    """Match items one by one; `star` takes any number of them. It goes back to the last star alone, so it is quick."""
    at = taken = 0
    last_star, resume = -1, 0
    while taken < len(items):
        if at < len(pattern) and pattern[at] == star:
            last_star, resume = at, taken
            at += 1
        elif at < len(pattern) and fits(pattern[at], items[taken]):
            at, taken = at + 1, taken + 1
        elif last_star >= 0:
            resume += 1
            at, taken = last_star + 1, resume
        else:
            return False
    return all(rest == star for rest in pattern[at:])
