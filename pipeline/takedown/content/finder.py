"""Finds any of many strings in long texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

import numpy as np

_KEY = 3
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


class Finder:
    """Looks for strings of 3 characters or more by a hash of their first 3; shorter ones are never found.

    `apart`: a string counts only where no letter, digit or dash stands directly beside it.
    """

    def __init__(self, strings: Collection[str], apart: bool = False) -> None:
        self._by_key: dict[str, list[str]] = defaultdict(list)
        for one in strings:
            if len(one) >= _KEY:
                self._by_key[one[:_KEY]].append(one)
        self._apart = apart
        self._hashes = np.unique(np.array([_hashes(key)[0] for key in self._by_key], np.uint64))

    def found(self, text: str) -> str | None:
        """The first of the strings that is in the text, None if none is."""
        return next(self._each(text), None)

    def all_found(self, text: str) -> set[str]:
        """Those of the strings that are in the text."""
        return set(self._each(text))

    def _each(self, text: str) -> Iterator[str]:
        if not self._by_key or len(text) < _KEY:
            return
        hashes = _hashes(text)
        at = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        for start in np.flatnonzero(self._hashes[at] == hashes).tolist():
            for one in self._by_key.get(text[start : start + _KEY], ()):
                if text.startswith(one, start) and not (self._apart and _touches(text, start, start + len(one))):
                    yield one


def _hashes(text: str) -> np.ndarray:
    """uint64 (len(text) - 2,), one for every three characters in a row."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    count = len(codes) - _KEY + 1
    return sum((codes[shift : shift + count] * _FACTORS[shift] for shift in range(_KEY)), np.zeros(count, np.uint64))


def _touches(text: str, start: int, end: int) -> bool:
    beside = text[start - 1 : start] + text[end : end + 1]
    return any(letter.isalnum() or letter in "-_" for letter in beside)
