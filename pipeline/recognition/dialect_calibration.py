"""How sure a dialect identifier may be, found on labelled speech: one temperature for its scores.

After C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2. Probabilities to the power of
1 / T are what a softmax gives of scores divided by T, so it serves identifiers of every kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.recognition.calibration import expected_calibration_error
from pipeline.recognition.dialect_identifier import SHORTEST_SECONDS, Identifier, probabilities, sharpened
from pipeline.recognition.labelled_clip import LabelledClip, TooLittle, folds
from pipeline.text import dialects

LEAST_CLIPS = 40
"""In two dialects or more that the identifier knows."""
_TRIED = np.geomspace(0.25, 10.0, 75)
_LEAST = 1e-6


@dataclass(frozen=True)
class Judged:
    """A clip's windows, (windows, labels) probabilities, and which label is true."""

    windows: NDArray[np.float32]
    truth: int

    def share(self, temperature: float) -> NDArray[np.float64]:
        """(labels,) probabilities of the whole clip."""
        return sharpened(self.windows, temperature).mean(axis=0)


@dataclass(frozen=True)
class Fitted:
    """The temperature of all clips; errors are expected calibration errors of the dialect that is heard, those after on
    folds that were held out. `left_out` clips are too short or of dialects that the identifier does not know."""

    temperature: float
    accuracy: float
    before: float
    after: float
    clips: int
    left_out: int


def judged(
    identifier: Identifier, clips: Sequence[LabelledClip], window_seconds: float
) -> list[tuple[LabelledClip, Judged]]:
    """What is heard in the clips that can be judged."""
    return [
        (clip, Judged(probabilities(identifier, clip.samples, window_seconds), identifier.labels.index(code)))
        for clip in clips
        for code in (dialects.get(clip.dialect).code,)
        if clip.seconds >= SHORTEST_SECONDS and code in identifier.labels
    ]


def fitted(found: Sequence[tuple[LabelledClip, Judged]], clips: int, now: float = 1.0) -> Fitted:
    """The temperature that makes the true dialects most probable; `now` is the one in use. Raises TooLittle."""
    if len(found) < LEAST_CLIPS or len({one.truth for _, one in found}) < 2:
        raise TooLittle(
            f"{len(found)} clips of {SHORTEST_SECONDS:g} s or more in {len({one.truth for _, one in found})} of the "
            f"identifier's dialects; {LEAST_CLIPS} in two or more are needed"
        )
    every = [one for _, one in found]
    after: list[tuple[float, bool]] = []
    for learned, held_out in folds([clip.group for clip, _ in found], every):
        temperature = _best(learned)
        after += [_sure(one, temperature) for one in held_out]
    before = [_sure(one, now) for one in every]
    return Fitted(
        _best(every),
        float(np.mean([right for _, right in before])),
        expected_calibration_error(*zip(*before, strict=True)),
        expected_calibration_error(*zip(*after, strict=True)),
        len(every),
        clips - len(every),
    )


def _sure(one: Judged, temperature: float) -> tuple[float, bool]:
    share = one.share(temperature)
    return float(share.max()), int(share.argmax()) == one.truth


def _best(found: Sequence[Judged]) -> float:
    """The temperature of the least mean negative log-probability of what is true."""
    losses = [-np.mean([np.log(max(_LEAST, one.share(value)[one.truth])) for one in found]) for value in _TRIED]
    return round(float(_TRIED[int(np.argmin(losses))]), 2)
