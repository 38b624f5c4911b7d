"""A piece of labelled speech, and how labelled speech is divided so that nothing is measured on what it taught."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
FOLDS = 5
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class LabelledClip:
    """float32 (T,) at 16 kHz with what is said in it. `group` is its speaker, or its recording where nobody is named:
    clips of one group are alike and stay together."""

    name: str
    samples: NDArray[np.float32]
    text: str
    dialect: str
    group: str = ""

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


class TooLittle(ValueError):
    """There is not enough labelled speech; the message says how much there is and how much is needed."""


def folds(groups: Sequence[str], items: Sequence[_Item]) -> Iterator[tuple[list[_Item], list[_Item]]]:
    """(to learn from, to measure on) for each of up to FOLDS parts; all items of a group are in one part.

    Groups go to parts by hash of their name, the largest first to the part with least. Raises TooLittle for one group.
    """
    names = sorted(set(groups), key=lambda name: (-groups.count(name), hashlib.sha256(name.encode()).digest()))
    if len(names) < 2:
        raise TooLittle(f"all of it is of one speaker or recording ({', '.join(names)}): two or more are needed")
    sizes = [0] * min(FOLDS, len(names))
    part_of = {}
    for name in names:
        part_of[name] = sizes.index(min(sizes))
        sizes[part_of[name]] += groups.count(name)
    for part in range(len(sizes)):
        held_out = [part_of[group] == part for group in groups]
        yield (
            [one for one, out in zip(items, held_out, strict=True) if not out],
            [one for one, out in zip(items, held_out, strict=True) if out],
        )
