"""Synthetic speakers of the Kokoro engine: mixtures of its styles, shifted in pitch and formants together, and in rate.

Held-out voices are those with a part of one style that no training voice has.
"""

from __future__ import annotations

import itertools
import math
import random
from functools import cache

from studio import kokoro
from studio.speech import Voice

# Pitch in Hz of a high level tone, geometric mean of six syllables, measured with Praat.
_PITCH = {"jf_alpha": 272.0, "jf_nezumi": 230.0, "jf_tebukuro": 342.0, "jm_kumo": 88.0, "jf_gongitsune": 243.0}
_HELD_OUT = "jf_gongitsune"
_WEIGHTS = (0.35, 0.65)
_SHIFTS = ((0.86, 0.95), (0.97, 1.1))
_SHIFTS_OF_HIGH_VOICES = ((0.78, 0.86), (0.88, 0.96))
_HIGH = 280.0  # Hz from which a voice is only shifted down
_RATES = (88, 104)


@cache
def voices(held_out: bool = False) -> tuple[Voice, ...]:
    """All training or all held-out voices of Kokoro, always the same ones in the same order; needs no weights."""
    draw = random.Random(f"kokoro voices held_out={held_out}")
    made: list[Voice] = []
    first = 500 if held_out else 0
    for variant in _mixtures(held_out):
        for bounds in _SHIFTS_OF_HIGH_VOICES if pitch(variant) > _HIGH else _SHIFTS:
            shift = round(draw.uniform(*bounds), 3)
            rate = round(draw.uniform(*_RATES) / shift)
            made.append(Voice(f"k{first + len(made):03d}", variant, 50, 50, rate, shift))
    return tuple(made)


def pitch(variant: str) -> float:
    """Pitch in Hz of a mixture's high level tone before any shift: the styles' pitches, mixed in octaves."""
    parts = [part.partition("*") for part in variant.removeprefix(kokoro.PREFIX).split("+")]
    return math.exp(sum(math.log(_PITCH[name]) * float(weight or 1) for name, _, weight in parts))


def _mixtures(held_out: bool) -> list[str]:
    found: list[str] = []
    for name in _PITCH:
        if (name == _HELD_OUT) == held_out:
            found.append(f"{kokoro.PREFIX}{name}*1")
    for one, other in itertools.combinations(_PITCH, 2):
        if (_HELD_OUT in (one, other)) == held_out:
            found += [f"{kokoro.PREFIX}{one}*{weight:g}+{other}*{1 - weight:g}" for weight in _WEIGHTS]
    return found
