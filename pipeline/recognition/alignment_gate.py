"""The gate: why an alignment must not be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.recognition.alignment import CharacterSpan

_WORST_SCORE = 0.02
"""No character counts for less, so that one alone does not condemn a long stretch."""


@dataclass(frozen=True)
class GateBounds:
    """What an alignment must keep to.

    The score is the geometric mean of the characters' scores. Rates are characters a second of spoken time, lengths
    seconds; coverage is a share of the speech in the clip, and where that is not known `min_clip_share` is asked of the
    whole clip instead.
    """

    min_score: float = 0.35
    min_rate: float = 0.7
    max_rate: float = 12.0
    min_coverage: float = 0.7
    min_clip_share: float = 0.3
    longest_character: float = 2.0


def gate(
    spans: Sequence[CharacterSpan], duration: float, speech: float | None = None, bounds: GateBounds | None = None
) -> str | None:
    """Why this alignment must not be trusted, or None if it may be.

    `duration` is the clip's length in seconds, `speech` the seconds of speech in it (`speech_seconds`) if known.
    Reasons: `align_no_text`, `align_empty_span`, `align_order`, `align_outside_clip`, `align_long_character`,
    `align_rate`, `align_score`, `align_coverage`.
    """
    bounds = bounds or GateBounds()
    if not spans:
        return "align_no_text"
    lengths = np.array([span.end - span.start for span in spans])
    if not (lengths > 0).all():
        return "align_empty_span"
    if spans[0].start < 0 or max(span.end for span in spans) > duration + 1e-6:
        return "align_outside_clip"
    if any(after.start < before.end - 1e-6 for before, after in pairwise(spans)):
        return "align_order"
    if lengths.max() > bounds.longest_character:
        return "align_long_character"
    covered = float(lengths.sum())
    if not bounds.min_rate <= len(spans) / covered <= bounds.max_rate:
        return "align_rate"
    if fit(spans) < bounds.min_score:
        return "align_score"
    needed = bounds.min_clip_share * duration if speech is None else bounds.min_coverage * speech
    return "align_coverage" if covered < needed else None


def fit(spans: Sequence[CharacterSpan]) -> float:
    """How well a text fits, 0 to 1: the geometric mean of its characters' scores, 0 without any."""
    lengths = np.array([span.end - span.start for span in spans])
    if not lengths.sum() > 0:
        return 0.0
    # A wrong text still finds some letters that fit: the geometric mean tells it from a right one, the mean does not.
    scores = np.log(np.maximum([span.score for span in spans], _WORST_SCORE))
    # By time, a stretched misfit counts for what it covers; by character, squeezed ones count though they cover little.
    return float(np.exp(min(np.average(scores, weights=lengths), scores.mean())))
