"""The registry of dialects and languages: names, romanisation, tones, and how to ask a speech model for them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field


class UnknownDialectError(KeyError):
    """No dialect has this code."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Dialect:
    """`tones` maps a tone category to its Chao value, 1 low to 5 high."""

    code: str
    name: str
    tones: Mapping[str, str] = field(default_factory=dict)


_ALL = (
    Dialect("cmn", "Mandarin", {"1": "55", "2": "35", "3": "214", "4": "51"}),
    Dialect("yue", "Cantonese", {"1": "55", "2": "35", "3": "33", "4": "21", "5": "23", "6": "22"}),
    Dialect("cmn-sichuan", "Sichuan", {"1": "55", "2": "21", "3": "53", "4": "213"}),
    Dialect("cmn-tianjin", "Tianjin", {"1": "21", "2": "45", "3": "213", "4": "53"}),
)
REGISTRY: Mapping[str, Dialect] = {dialect.code: dialect for dialect in _ALL}


def get(code: str) -> Dialect:
    """The dialect of a code; raises UnknownDialectError that names the near misses."""
    if code in REGISTRY:
        return REGISTRY[code]
    near = difflib.get_close_matches(code, REGISTRY, 3, 0.4)
    raise UnknownDialectError(f"no dialect {code!r}; near: {', '.join(near) or 'none'}; known: {', '.join(REGISTRY)}")
