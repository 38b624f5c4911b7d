"""Synthetic speakers: espeak-ng variants times register, formants and rate, as different from each other as people are.

Held-out voices use variants, and families of variants, that no training voice uses.
"""

from __future__ import annotations

import math
import random
from functools import cache

import numpy as np

from studio import kokoro, kokoro_voices
from studio.speech import Voice

# Pitch in Hz of a high level tone at espeak's pitch 50, measured with Praat, and how far the formants already lie above
# an adult man's. Left out: whispers, robots, heavy echo, and variants that lose tones or syllable lengths.
_TRAINING: dict[str, tuple[float, float]] = {
    "Andy": (93, 1.0),
    "Annie": (220, 1.17),
    "Diogo": (100, 1.0),
    "Henrique": (102, 1.0),
    "Hugo": (102, 1.0),
    "Jacky": (107, 0.95),
    "Lee": (93, 0.9),
    "Mario": (101, 0.98),
    "Michael": (101, 0.92),
    "Mike": (86, 0.97),
    "Mr serious": (98, 1.0),
    "Nguyen": (140, 0.97),
    "Reed": (110, 0.88),
    "Storm": (78, 0.95),
    "Tweaky": (98, 1.0),
    "adam": (97, 1.0),
    "benjamin": (97, 1.0),
    "boris": (97, 1.0),
    "david": (71, 1.0),
    "ed": (119, 1.0),
    "edward": (97, 1.0),
    "edward2": (97, 1.0),
    "f1": (172, 1.1),
    "f3": (199, 1.12),
    "f4": (173, 1.08),
    "fast": (97, 1.0),
    "grandma": (184, 1.1),
    "john": (98, 1.0),
    "klatt": (97, 1.0),
    "klatt3": (97, 1.0),
    "klatt4": (97, 1.0),
    "klatt5": (97, 1.0),
    "klatt6": (97, 1.0),
    "m1": (89, 0.98),
    "m2": (97, 1.0),
    "m4": (89, 0.98),
    "m5": (97, 1.0),
    "m6": (97, 0.98),
    "m7": (101, 0.97),
    "marcelo": (90, 0.96),
    "max": (97, 1.0),
    "michel": (100, 1.0),
    "miguel": (105, 1.0),
    "mike2": (85, 1.0),
    "norbert": (98, 0.95),
    "quincy": (81, 0.97),
    "robert": (91, 0.97),
    "sandro": (95, 1.0),
    "shelby": (166, 1.22),
    "steph": (180, 1.1),
    "steph2": (180, 1.1),
    "steph3": (180, 1.1),
    "zac": (333, 1.4),
}
_HELD_OUT: dict[str, tuple[float, float]] = {
    "Denis": (95, 0.98),
    "Gene": (92, 0.94),
    "Gene2": (112, 0.94),
    "belinda": (223, 1.15),
    "f2": (187, 1.1),
    "f5": (198, 1.12),
    "gustave": (101, 0.98),
    "ian": (79, 1.0),
    "iven2": (95, 0.97),
    "iven3": (95, 0.97),
    "iven4": (95, 0.97),
    "kaukovalta": (96, 0.98),
    "linda": (223, 1.15),
    "m3": (100, 0.98),
    "m8": (81, 0.95),
    "pablo": (106, 0.96),
    "paul": (82, 1.0),
    "travis": (97, 0.85),
    "victor": (92, 0.93),
}

# Register: (lowest, highest pitch in Hz), (smallest, largest formant scale against an adult man's).
REGISTERS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "male": ((88.0, 155.0), (0.90, 1.06)),
    "female": ((170.0, 245.0), (1.08, 1.22)),
    "child": ((250.0, 330.0), (1.24, 1.38)),
}
_CHILD_BASE = 115.0  # Hz; below it espeak cannot bring a variant up to a child's pitch
_SMALL_SPEAKER = 1.15  # formant scale from which no shift makes a man of a variant
_SYLLABLES_PER_SECOND = (3.6, 6.4)
_PITCH_SETTINGS = (0, 10, 30, 50, 70, 90, 99)
_PITCH_FACTORS = (0.63, 0.70, 0.835, 1.0, 1.22, 1.52, 1.67)  # of the pitch at setting 50, measured with Praat
_RANGE_RAISES_PITCH = 0.0017  # share for each step of the pitch range above 50, measured
_WORDS_PER_MINUTE_PER_SYLLABLE = 175 / 4.76  # measured: 175 words per minute speak 4.76 syllables a second


@cache
def voices(held_out: bool = False) -> tuple[Voice, ...]:
    """All training or all held-out voices, always the same ones in the same order."""
    variants = _HELD_OUT if held_out else _TRAINING
    draw = random.Random(f"voices held_out={held_out}")
    first = 0 if not held_out else 500
    made: list[Voice] = []
    for variant, (base, scale) in variants.items():
        for register in _registers(base, scale):
            made.append(_voice(f"v{first + len(made):03d}", variant, register, draw))
    return tuple(made)


def _registers(base: float, scale: float) -> tuple[str, ...]:
    """Registers that a variant can be brought to without leaving espeak's pitch range or a believable formant shift."""
    names = ("male", "female") if scale < _SMALL_SPEAKER else ("female",)
    return (*names, "child") if base >= _CHILD_BASE else names


def voice(voice_id: str) -> Voice:
    """The voice with this id, from either set of either engine."""
    others = kokoro_voices.voices() + kokoro_voices.voices(held_out=True)
    for candidate in voices() + voices(held_out=True) + others:
        if candidate.voice_id == voice_id:
            return candidate
    raise KeyError(f"no voice {voice_id!r}; studio.voices.voices() lists them")


def nominal_pitch(voice: Voice) -> float:
    """Pitch in Hz at which the voice speaks a high level tone."""
    if voice.variant.startswith(kokoro.PREFIX):
        return kokoro_voices.pitch(voice.variant) * voice.formant_shift
    base, _ = {**_TRAINING, **_HELD_OUT}[voice.variant]
    factor = float(np.interp(voice.pitch, _PITCH_SETTINGS, _PITCH_FACTORS))
    return base * factor * (1 + _RANGE_RAISES_PITCH * (voice.pitch_range - 50)) * voice.formant_shift


def register(voice: Voice) -> str:
    """ "male", "female" or "child", by pitch."""
    pitch = nominal_pitch(voice)
    return min(REGISTERS, key=lambda name: abs(math.log(pitch / math.sqrt(math.prod(REGISTERS[name][0])))))


def cast(count: int, draw: random.Random, held_out: bool = False) -> tuple[Voice, ...]:
    """`count` voices for one scene: all of different variants, the registers mixed, no two close in pitch."""
    pool = list(voices(held_out))
    draw.shuffle(pool)
    chosen: list[Voice] = []
    for gap in (2.5, 1.5, 0.7, 0.0):  # semitones; relaxed only when a large cast does not fit
        for candidate in pool:
            if len(chosen) == count:
                break
            apart = all(12 * abs(math.log2(nominal_pitch(candidate) / nominal_pitch(c))) >= gap for c in chosen)
            if apart and candidate.variant not in {c.variant for c in chosen}:
                chosen.append(candidate)
    if len(chosen) < count:
        raise ValueError(f"a scene of {count} speakers is more than the {len(chosen)} variants there are")
    return tuple(chosen)


def _voice(voice_id: str, variant: str, register_name: str, draw: random.Random) -> Voice:
    base, scale = {**_TRAINING, **_HELD_OUT}[variant]
    (low, high), (smallest, largest) = REGISTERS[register_name]
    place = draw.random()
    hertz = low * (high / low) ** place
    # Pitch and formants go together in people, loosely.
    formants = smallest + (largest - smallest) * min(1.0, max(0.0, place + draw.uniform(-0.4, 0.4)))
    shift = min(1.4, max(0.8, formants / scale))
    pitch_range = draw.randint(60, 99)
    factor = hertz / (base * shift * (1 + _RANGE_RAISES_PITCH * (pitch_range - 50)))
    pitch = round(float(np.interp(factor, _PITCH_FACTORS, _PITCH_SETTINGS)))
    rate = draw.uniform(*_SYLLABLES_PER_SECOND) * _WORDS_PER_MINUTE_PER_SYLLABLE / shift
    return Voice(voice_id, variant, pitch, pitch_range, round(rate), round(shift, 3))
