"""Syllables as targets of an encoder's frames: each is an initial, a final and a tone, which many syllables share."""

from __future__ import annotations

import random
import re

import torch
from torch import Tensor

from studio.scripts import DIALECTS, sentence

SILENCE = 0

_PARTS = re.compile(r"^(yue:)?((?!(?:m|n|ng)\d)(?:ng|gw|kw|zh|ch|sh|[bpmfdtnlgkhjqxrzcswy])|)([a-z]*)(\d)$")


def syllable_class(dialect: str, syllable: str) -> str:
    """Syllables are shared by the Mandarin varieties and apart for Cantonese."""
    return f"yue:{syllable}" if dialect == "yue" else syllable


def syllable_classes(per_dialect: int = 4000) -> dict[str, int]:
    """Every syllable said in so many sentences of each dialect, numbered from 1; 0 is silence."""
    draw = random.Random(0)
    sentences = [sentence(dialect, draw) for dialect in DIALECTS for _ in range(per_dialect)]
    said = {syllable_class(one.dialect, syllable) for one in sentences for syllable in one.syllables}
    return {syllable: number for number, syllable in enumerate(sorted(said), start=1)}


def parts(syllable: str) -> tuple[str, str, str]:
    """Initial, final and tone of a syllable class; those of Cantonese are marked, for they sound different."""
    found = _PARTS.match(syllable)
    if found is None:
        raise ValueError(f"{syllable!r} is no pinyin or jyutping syllable with a tone digit")
    dialect, initial, final, tone = found.groups(default="")
    return dialect + initial, dialect + final, dialect + tone


class PartTable:
    """From syllable numbers to those of initial, final and tone. `sizes` counts the classes of each."""

    def __init__(self, classes: dict[str, int]) -> None:
        split = {number: parts(syllable) for syllable, number in classes.items()}
        known = [sorted({each[place] for each in split.values()}) for place in range(3)]
        self.sizes = tuple(len(names) + 1 for names in known)
        self.table = torch.zeros(len(classes) + 1, 3, dtype=torch.long)
        for number, each in split.items():
            self.table[number] = torch.tensor([known[place].index(each[place]) + 1 for place in range(3)])

    def of(self, labels: Tensor, ignored: int) -> Tensor:
        """Labels (...) to part labels (..., 3); `ignored` stays ignored."""
        return torch.where((labels == ignored)[..., None], ignored, self.table[labels.clamp(min=0)])
