"""JSON objects that people wrote: a key that stands twice, and text that no file or table can hold, are errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_HALF_PAIR = re.compile("[\ud800-\udfff]")


def parse_object(text: str) -> dict[str, Any]:
    """The object of one line. Raises ValueError with what is wrong in it, as the end of "the line ...".

    Half a surrogate pair and a NUL are refused in keys and values, however deep.
    """
    try:
        values = json.loads(text, object_pairs_hook=_each_key_once)
        if not isinstance(values, dict):
            raise ValueError("is not a JSON object")
        for key, value in values.items():
            wrong = next(filter(None, map(text_flaw, _texts([key, value]))), None)
            if wrong:
                raise ValueError(f"has {wrong} in {json.dumps(key)}")
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    return values


def text_flaw(text: str) -> str | None:
    """What keeps a text from being stored, with what to do; None if nothing does."""
    if _HALF_PAIR.search(text):
        return "half a surrogate pair (write the whole character)"
    return "a NUL character (remove it)" if "\0" in text else None


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"has the key {json.dumps(twice, ensure_ascii=True)} twice")
    return values


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
