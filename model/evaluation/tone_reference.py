"""How a dialect's tones sound: mean contour and spread of each tone, learned from a corpus or from Chao values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.evaluation.tone_contours import POINTS, Contour
from pipeline.text import dialects
from pipeline.text.tone_sandhi import NEUTRAL

SEMITONES_PER_LEVEL = 2.6
"""Distance of two of Chao's five levels: five levels span 10.4 semitones, a speaker's usual range."""
CHAO_SPREAD = 2.0
"""Semitones of spread that stand for the one a Chao value does not tell."""
FEWEST_SYLLABLES = 8
_ROUNDS = 4


@dataclass(frozen=True)
class ToneShape:
    """(11,) semitones around the middle of all tones, the spread (11,) around them, and how many syllables told so."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    count: int


@dataclass(frozen=True)
class ToneReference:
    """The tones of a dialect by their digit. `source`: "corpus" with its size, or the registry's description."""

    dialect: str
    source: str
    shapes: Mapping[str, ToneShape]

    def expected(self, contours: Sequence[Contour]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """(n, 11) expected contours and (n,) whether the tone is known; unknown rows are 0."""
        known = np.array([contour.tone in self.shapes for contour in contours], bool)
        zero = np.zeros(POINTS)
        rows = [self.shapes[contour.tone].mean if contour.tone in self.shapes else zero for contour in contours]
        return np.array(rows).reshape(-1, POINTS), known


def learn(dialect: str, utterances: Sequence[Sequence[Contour]], source: str = "corpus") -> ToneReference:
    """The reference of a corpus: contours of its utterances, each utterance of one speaker.

    An utterance's register and its tones are found in turn: the register is where its contours lie best on the tones'
    means, the means are of contours less their registers. The middle of all syllables is 0. Tones with under 8
    syllables are left out. Raises ValueError if none is left.
    """
    rows = [contour for utterance in utterances for contour in utterance]
    if not rows:
        raise ValueError(f"{dialect}: the corpus has no syllable with a tone and a pitch")
    curves = np.stack([contour.semitones for contour in rows])
    member = np.repeat(np.arange(len(utterances)), [len(utterance) for utterance in utterances])
    tones, tone = np.unique([contour.tone for contour in rows], return_inverse=True)
    means, centred = np.zeros((len(tones), POINTS)), curves
    for _ in range(_ROUNDS):
        left = (curves - means[tone]).mean(axis=1)
        register = np.array(
            [np.median(left[member == index]) if (member == index).any() else 0.0 for index in range(len(utterances))]
        )
        centred = curves - register[member][:, None]
        means = np.stack([np.median(centred[tone == index], axis=0) for index in range(len(tones))])
        means -= means[tone].mean()
    spread = np.stack([_spread(centred[tone == index], means[index]) for index in range(len(tones))])
    count = np.bincount(tone, minlength=len(tones))
    shapes = {
        str(tones[index]): ToneShape(means[index], spread[index], int(count[index]))
        for index in range(len(tones))
        if count[index] >= FEWEST_SYLLABLES
    }
    if not shapes:
        raise ValueError(f"{dialect}: no tone has {FEWEST_SYLLABLES} syllables or more in the corpus")
    return ToneReference(dialect, f"{source}: {len(utterances)} utterances, {len(rows)} syllables", shapes)


def from_chao(dialect: str) -> ToneReference:
    """The reference that the registry's Chao values draw: level l lies 2.6 (l - 3) semitones from the middle.

    Levels are evenly spaced in time over the rhyme and joined by straight lines; a single level is held. The neutral
    tone of pinyin has no value of its own and is left out; the 5 of jyutping and Tâi-lô is a tone like the others.
    Raises ValueError for a dialect without tones, UnknownDialectError.
    """
    described = dialects.get(dialect)
    if not described.tones:
        raise ValueError(f"{dialect} has no tones in the registry")
    shapes = {
        tone: ToneShape(chao_contour(value), np.full(POINTS, CHAO_SPREAD), 0)
        for tone, value in described.tones.items()
        if tone != NEUTRAL or described.romanization != "pinyin"
    }
    return ToneReference(dialect, f"Chao values. {described.tones_source}", shapes)


def chao_contour(value: str) -> NDArray[np.float64]:
    """Chao value ("213") to (11,) semitones around level 3."""
    levels = np.array([int(level) for level in value], float)
    levels = np.repeat(levels, 2) if len(levels) == 1 else levels
    at = np.interp(np.linspace(0, 1, POINTS), np.linspace(0, 1, len(levels)), levels)
    return SEMITONES_PER_LEVEL * (at - 3)


def _spread(curves: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Robust standard deviation (1.4826 times the median absolute deviation), 0.5 semitones at the least."""
    return np.maximum(0.5, 1.4826 * np.median(np.abs(curves - mean), axis=0))
