"""From which score on an alignment may be trusted: true texts and wrong ones laid on labelled speech."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.recognition.alignment import AlignmentError, TextAligner
from pipeline.recognition.alignment_gate import fit
from pipeline.recognition.labelled_clip import LabelledClip, TooLittle
from pipeline.text.romanize import romanize

WRONG_TEXTS = 3
"""So many texts of other clips, at most, are laid on each clip."""
_LEAST_CLIPS = 10


@dataclass(frozen=True)
class Fits:
    """How well each clip's own text fits, 0 to 1, and texts of other clips; 0 where a text cannot be laid at all."""

    true: NDArray[np.float64]
    wrong: NDArray[np.float64]

    @property
    def auc(self) -> float:
        """The share of pairs in which the true text fits better than the wrong one, ties as a half."""
        above = (self.true[:, None] > self.wrong[None]).mean()
        return float(above + 0.5 * (self.true[:, None] == self.wrong[None]).mean())

    def passed(self, bound: float) -> tuple[float, float]:
        """The shares of true and of wrong texts that a bound lets through."""
        return float((self.true >= bound).mean()), float((self.wrong >= bound).mean())

    def bound(self, wrong_share: float = 0.05) -> float:
        """The lowest bound, in hundredths, that lets at most this share of the wrong texts through."""
        return next((step / 100 for step in range(1, 100) if self.passed(step / 100)[1] <= wrong_share), 1.0)


def needed(wrong_share: float) -> int:
    """How many clips it takes to tell that this share of wrong texts passes: as many as hold one such text or more."""
    return max(_LEAST_CLIPS, math.ceil(1 / (wrong_share * WRONG_TEXTS)))


def check(clips: Sequence[LabelledClip], wrong_share: float) -> None:
    """Raises TooLittle unless there are `needed` clips with different texts."""
    texts, least = len({clip.text for clip in clips}), needed(wrong_share)
    if texts < least:
        raise TooLittle(
            f"{texts} clips with different texts; {least} are needed to let {wrong_share:.0%} of wrong texts pass"
        )


def fits(aligner: TextAligner, clips: Sequence[LabelledClip]) -> Fits:
    """Each clip's text and up to WRONG_TEXTS others laid on it. Raises ValueError for less than two texts."""
    texts = sorted({clip.text for clip in clips})
    if len(texts) < 2:
        raise ValueError("needs clips with two different texts or more")
    true, wrong = [], []
    for clip in clips:
        true.append(_fit(aligner, clip, clip.text))
        others = [texts[(texts.index(clip.text) + step) % len(texts)] for step in _steps(len(texts))]
        wrong += [_fit(aligner, clip, text) for text in others]
    return Fits(np.array(true), np.array(wrong))


def _steps(count: int) -> Iterable[int]:
    """How far away the other texts are, all different and none the clip's own."""
    return sorted({1 + (count - 2) * number // WRONG_TEXTS for number in range(WRONG_TEXTS)})


def _fit(aligner: TextAligner, clip: LabelledClip, text: str) -> float:
    try:
        return fit(aligner.lay(clip.samples, romanize(text, clip.dialect), clip.dialect).spans)
    except AlignmentError:
        return 0.0
