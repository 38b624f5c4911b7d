"""Validation texts for the embedded checkpoint: sentences of the studio's grammars that no training has seen.

Their readings are the truth that intelligibility and tones are measured against.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from studio.scripts import count as sentences_of
from studio.scripts import sentence
from studio.speech import Sentence


@dataclass(frozen=True)
class StudioPrompt:
    """A held-out sentence under an id that says its dialect; `sentence.syllables` has a reading for each character."""

    id: str
    sentence: Sentence


def held_out(dialect: str, count: int, seed: int = 0) -> list[StudioPrompt]:
    """`count` different held-out sentences of a dialect; the same seed draws the same, and more begins with fewer.

    Raises ValueError for a dialect without scripts, or when the held-out tenth cannot hold so many.
    """
    if count > sentences_of(dialect) // 20:
        raise ValueError(f"{dialect}: {count} held-out sentences are more than half of what its grammar can say")
    draw = random.Random(f"prompts {dialect} {seed}")
    found: dict[str, Sentence] = {}
    while len(found) < count:
        drawn = sentence(dialect, draw, held_out=True)
        found.setdefault(drawn.text, drawn)
    return [StudioPrompt(f"{dialect}-studio-{number:04d}", said) for number, said in enumerate(found.values(), 1)]
