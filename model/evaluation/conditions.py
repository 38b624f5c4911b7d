"""What a figure depends on, as text for column `conditions` and the report: `key: value`, no notation of Python's."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

_CLOSING = {"{": "}", "[": "]", "(": ")"}


def in_words(facts: Mapping[str, Any]) -> str:
    """Facts as `key: value; key: value`; those inside a value are separated by commas."""
    return "; ".join(f"{key.replace('_', ' ')}: {_words(value)}" for key, value in facts.items())


def readable(conditions: str) -> str:
    """The text of a stored row, with dictionaries and lists that earlier versions wrote into it put into words."""
    out, at = "", 0
    while at < len(conditions):
        words, end = _literal_at(conditions, at)
        out, at = out + words, end
    return out


def _literal_at(text: str, at: int) -> tuple[str, int]:
    """The words of a dictionary or list that begins there and where it ends; else the one character."""
    closing = _CLOSING.get(text[at], "")
    end = text.find(closing, at) if closing else -1
    while end >= 0:
        try:
            value = ast.literal_eval(text[at : end + 1])
        except (ValueError, SyntaxError):
            value = None
        if isinstance(value, dict | list | tuple | set):
            return _words(value), end + 1
        end = text.find(closing, end + 1)
    return text[at], at + 1


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_words(each)}" for key, each in value.items()) or "none"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(_words, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "none" if value is None else str(value)
