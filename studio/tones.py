"""Dialect tones put on Mandarin segments with Praat: surface tones after sandhi, Chao values to Hz, overlap-add.

Sichuan and Tianjin speech of the studio is exactly this: Mandarin segments, dialect vocabulary, the dialect's tone
contours. It has none of the dialects' own consonants and vowels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import parselmouth
from numpy.typing import NDArray
from parselmouth.praat import call

from pipeline.text import dialects
from pipeline.text.tone_sandhi import NEUTRAL
from studio.speech import Utterance

SEMITONES_PER_LEVEL = 2.6
"""Distance of two of Chao's five levels: five levels span 10.4 semitones, a speaker's usual range."""

_POINTS_PER_SYLLABLE = 6
_BREATH = 0.22  # seconds between two rhymes that only a pause makes
_ANALYSIS_STEP, _COARSE_STEP = 0.005, 0.015  # seconds; level speech needs no finer one


@dataclass(frozen=True)
class ToneTarget:
    """One syllable's contour: the Chao value over its rhyme `start`..`end`, in seconds."""

    start: float
    end: float
    chao: str


def chao_values(dialect: str, tones: Sequence[str]) -> list[str]:
    """Chao value of each surface tone; a neutral tone is low after a high ending and mid-low after a low one."""
    known = dialects.get(dialect).tones
    values: list[str] = []
    for tone in tones:
        if tone == NEUTRAL:
            values.append("32" if values and int(values[-1][-1]) >= 4 else "22")
        else:
            values.append(known[tone])
    return values


def contour(chao: str, register: float, count: int = _POINTS_PER_SYLLABLE) -> NDArray[np.float64]:
    """Chao value ("213") -> `count` values in Hz, evenly spaced over the rhyme; `register` is level 3 in Hz."""
    levels = np.array([int(digit) for digit in chao], float)
    if len(levels) == 1:
        levels = np.repeat(levels, 2)
    at = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(levels)), levels)
    return register * 2 ** ((at - 3) * SEMITONES_PER_LEVEL / 12)


def impose(
    samples: NDArray[np.float32],
    sample_rate: int,
    targets: Sequence[ToneTarget],
    pitch_hint: float,
    declination: float = 0.0,
) -> NDArray[np.float32]:
    """Give level speech (T,) the contours of `targets`; same length, same segments.

    `pitch_hint` is the speech's pitch in Hz, roughly; level 3 is put at the mean pitch that Praat finds.
    `declination` is in semitones per second and starts anew after a pause, as a speaker's does after a breath.
    """
    manipulation, register = _manipulation(samples, sample_rate, pitch_hint)
    if not register or not targets:
        return samples
    tier = call("Create PitchTier", "tones", 0.0, len(samples) / sample_rate)
    breath, previous_end = targets[0].start, targets[0].start
    for target in targets:
        if target.start - previous_end > _BREATH:
            breath = target.start
        previous_end = target.end
        times = np.linspace(target.start, target.end - 0.005, _POINTS_PER_SYLLABLE)
        for time, hertz in zip(times, contour(target.chao, register), strict=True):
            call(tier, "Add point", float(time), float(hertz * 2 ** (-declination * (time - breath) / 12)))
    return _resynthesize(manipulation, tier, len(samples))


def flatten(utterance: Utterance, share: float) -> Utterance:
    """Move every pitch point `share` (0..1) of its way, in semitones, to the utterance's mean; 1 is a monotone."""
    manipulation, mean = _manipulation(utterance.samples, utterance.sample_rate, None)
    if not mean:
        return utterance
    tier = call(manipulation, "Extract pitch tier")
    call(tier, "Formula", f"{mean} * (self / {mean}) ^ {1 - share}")
    samples = _resynthesize(manipulation, tier, len(utterance.samples))
    return Utterance(utterance.sentence, utterance.voice, samples, utterance.sample_rate, utterance.spans)


def _manipulation(
    samples: NDArray[np.float32], sample_rate: int, pitch_hint: float | None
) -> tuple[parselmouth.Data, float]:
    """Praat's pulses, and the geometric mean in Hz of the pitch points it found (0.0 when it found none).

    A hint means level speech near that pitch: the search is narrower and coarser, which is cheaper and surer.
    """
    sound = parselmouth.Sound(samples.astype(np.float64), sample_rate)
    if pitch_hint is None:
        manipulation = call(sound, "To Manipulation", _ANALYSIS_STEP, 60.0, 600.0)
    else:
        manipulation = call(sound, "To Manipulation", _COARSE_STEP, pitch_hint * 0.6, pitch_hint * 1.7)
    tier = call(manipulation, "Extract pitch tier")
    if call(tier, "Get number of points") == 0:
        return manipulation, 0.0
    # Inside Praat: a call from Python for each of some sixty points a second would cost as much as the analysis.
    call(tier, "Formula", "ln (self)")
    return manipulation, math.exp(call(tier, "Get mean (points)", 0, 0))


def _resynthesize(manipulation: parselmouth.Data, tier: parselmouth.Data, length: int) -> NDArray[np.float32]:
    call([tier, manipulation], "Replace pitch tier")
    sound = call(manipulation, "Get resynthesis (overlap-add)")
    values = np.zeros(length, np.float32)
    found = sound.values[0][:length]
    values[: len(found)] = found
    return values
