"""From which mean log-probability on a recogniser's text may be kept, by dialect, found on labelled speech: what
`fangyan calibrate` does for `min_avg_logprob`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.recognition.hypothesis import Recognizer
from pipeline.recognition.labelled_clip import LabelledClip, TooLittle
from pipeline.text.normalize import normalizer
from pipeline.text.writing import written

LEAST_CLIPS = 20
_TRIED = [-step / 20 for step in range(40, -1, -1)]
_LEAST_KEPT = 5
"""A rate of errors over fewer clips says nothing."""


@dataclass(frozen=True)
class Recognised:
    """One clip: mean log-probability in nats a token, characters wrong and characters said."""

    logprob: float
    wrong: int
    length: int


@dataclass(frozen=True)
class Kept:
    """What a bound keeps: its share of the clips, its error rate, and the share of all right characters in it."""

    clips: float
    error: float
    right: float


def heard(recognizer: Recognizer, clips: Sequence[LabelledClip], batch_size: int) -> list[Recognised]:
    """What a recogniser writes of the clips of one dialect; clips of whose text it does not say how sure it is are left
    out."""
    found = []
    for first in range(0, len(clips), batch_size):
        group = clips[first : first + batch_size]
        hypotheses = recognizer.transcribe([clip.samples for clip in group], group[0].dialect)
        for clip, one in zip(group, hypotheses, strict=True):
            errors, length = normalizer(clip.dialect).character_errors(clip.text, written(one.text, clip.dialect))
            if one.avg_logprob is not None and length:
                found.append(Recognised(one.avg_logprob, errors, length))
    return found


def kept(found: Sequence[Recognised], bound: float) -> Kept:
    """What a bound keeps; an error rate of 0 where that is nothing."""
    own = [one for one in found if one.logprob >= bound]
    wrong, said = sum(one.wrong for one in own), sum(one.length for one in own)
    right = sum(max(0, one.length - one.wrong) for one in found)
    share = sum(max(0, one.length - one.wrong) for one in own) / right if right else 0.0
    return Kept(len(own) / len(found), wrong / said if said else 0.0, share)


def bound(found: Sequence[Recognised], error: float) -> float | None:
    """The lowest bound, in steps of 0.05, that keeps 5 clips or more of which no more characters than that are wrong;
    None if there is none. Raises TooLittle."""
    if len(found) < LEAST_CLIPS:
        raise TooLittle(f"{len(found)} clips of which the recogniser says how sure it is; {LEAST_CLIPS} are needed")
    for value in _TRIED:
        if kept(found, value).clips * len(found) < _LEAST_KEPT:
            return None
        if kept(found, value).error <= error:
            return value
    return None
