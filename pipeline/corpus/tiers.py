"""What a segment is worth by a named policy, and what breaks the hard rules: pure functions of its figures.

`emilia` follows the filters of Emilia-Pipe (open-mmlab/Amphion), which grade by DNSMOS P.835 OVRL; `tts4` has the tiers
of WenetSpeech4TTS (2406.05763), whose bounds only P.808 reaches: OVRL ends at 3.93 (docs/quality.md). A low score
grades a segment, it never drops it: exports choose by tier.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pipeline.audio.dnsmos import Mos
from pipeline.settings import Score, Settings

Policy = Literal["emilia", "tts4"]

MIN_CHARACTERS = 2
EMILIA_OVRL = 3.0
TTS4_P808 = (("premium", 4.0), ("standard", 3.8), ("basic", 3.6))
TIERS: dict[Policy, tuple[str, ...]] = {"emilia": ("keep", "below"), "tts4": ("premium", "standard", "basic", "rest")}
_FEWEST_FOR_QUARTILES = 8
_ROUNDING_SECONDS = 1e-6


def tier(policy: Policy, mos: Mos) -> str:
    """The grade of a segment that keeps the hard rules: by OVRL for emilia, by P.808 for tts4."""
    if policy == "emilia":
        return "keep" if mos.ovrl >= EMILIA_OVRL else "below"
    return next((name for name, bound in TTS4_P808 if mos.p808 >= bound), "rest")


def impossible(settings: Settings) -> str:
    """Why no segment can have a tier that [training_set] asks for, or ""; tiers of another policy are named too."""
    policy, asked = settings.score.policy, settings.training_set.tiers
    given = TIERS[policy]
    foreign = [name for name in asked if name not in given]
    if not foreign:
        return ""
    words = f"[training_set] tiers names {', '.join(foreign)}, which [score] policy = {policy!r} does not give: it has "
    words += ", ".join(given)
    return words if len(foreign) < len(asked) else f"{words}; no segment can qualify"


def drop_reason(
    score: Score, seconds: float, characters: int, overlap_share: float, usual_pace: tuple[float, float]
) -> str | None:
    """The hard rule that a segment breaks, or None.

    `usual_pace` bounds the seconds per character, see `pace_bounds`; only policy emilia looks at it.
    """
    if characters < MIN_CHARACTERS:
        return "too_few_characters"
    if seconds < score.min_seconds - _ROUNDING_SECONDS:
        return "too_short"
    if seconds > score.max_seconds + _ROUNDING_SECONDS:
        return "too_long"
    if overlap_share > score.max_overlap_share:
        return "overlap"
    if score.policy == "emilia" and not usual_pace[0] <= seconds / characters <= usual_pace[1]:
        return "rate_outlier"
    return None


def pace_bounds(seconds_per_character: Sequence[float]) -> tuple[float, float]:
    """Q1 - 1.5 IQR and Q3 + 1.5 IQR of a recording's segments; no bounds for fewer than 8, which say too little."""
    if len(seconds_per_character) < _FEWEST_FOR_QUARTILES:
        return -math.inf, math.inf
    lower, upper = (_quantile(sorted(seconds_per_character), share) for share in (0.25, 0.75))
    reach = 1.5 * (upper - lower)
    return lower - reach, upper + reach


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Linear interpolation between the closest ranks, as numpy's default."""
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])
