"""Scripts to be spoken: natural sentences of four dialects with the reading of every character.

A tenth of all sentences, chosen by a hash of what is said, is held out and never drawn for training.
"""

from __future__ import annotations

import hashlib
import random
from functools import cache

from studio.scripts import cantonese, mandarin, sichuan, tianjin
from studio.scripts.grammar import PUNCTUATION, Grammar, build
from studio.scripts.readings import read
from studio.speech import Sentence

_SOURCES = {"cmn": mandarin, "yue": cantonese, "cmn-sichuan": sichuan, "cmn-tianjin": tianjin}
DIALECTS = tuple(_SOURCES)
HELD_OUT_SHARE = 0.1


@cache
def grammar(dialect: str) -> Grammar:
    """The grammar of a dialect, balanced once per process."""
    if dialect not in _SOURCES:
        raise ValueError(f"no scripts for dialect {dialect!r}; choose one of {', '.join(DIALECTS)}")
    source = _SOURCES[dialect]
    return build(source.SLOTS, source.SENTENCES)


def sentence(dialect: str, rng: random.Random, held_out: bool = False) -> Sentence:
    """Draw a sentence from the training part, or from the held-out part."""
    rules = grammar(dialect)
    while True:
        text = rules.draw(rng)
        if is_held_out(text) == held_out:
            return from_text(dialect, text)


def from_text(dialect: str, text: str) -> Sentence:
    """The sentence that says `text` (Chinese characters and the punctuation of the scripts)."""
    characters = tuple(character for character in text if character not in PUNCTUATION)
    return Sentence(dialect, text, characters, read(dialect, text), _breaks(text))


def is_held_out(text: str) -> bool:
    """Whether `text` belongs to the held-out tenth. Punctuation does not count: it is not heard."""
    spoken = "".join(character for character in text if character not in PUNCTUATION)
    digest = hashlib.sha256(spoken.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") < HELD_OUT_SHARE * 2**64


def characters() -> tuple[str, ...]:
    """All characters that any of the scripts can say, sorted."""
    return tuple(sorted({character for dialect in DIALECTS for character in grammar(dialect).shares()}))


@cache
def count(dialect: str) -> int:
    """Exact number of distinct sentences of a dialect, both parts together."""
    return grammar(dialect).count()


def _breaks(text: str) -> tuple[int, ...]:
    """Indexes of spoken characters before a punctuation mark inside the sentence (not the one that ends it)."""
    breaks: list[int] = []
    spoken = 0
    for character in text[:-1]:
        if character not in PUNCTUATION:
            spoken += 1
        elif spoken and breaks[-1:] != [spoken - 1]:
            breaks.append(spoken - 1)
    return tuple(breaks)
