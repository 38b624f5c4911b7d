"""What the dialect identifier learns from: the studio's dialects, with words and tones of different varieties crossed.

Sichuan and Tianjin speech of the studio is level speech with tones put on by Praat. So that neither Praat's sound nor
a dialect's words can stand for its tones, Mandarin is put on too, and words of one variety are spoken with the tones
of another. Speech without tones belongs to no dialect.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import soxr
from numpy.typing import NDArray

from recipes.dialect.english import english_sentence
from studio import espeak, tones
from studio.scripts import sentence
from studio.speech import Sentence, Utterance, Voice
from studio.synthesis import RMS, speak

LABELS = ("cmn", "yue", "cmn-sichuan", "cmn-tianjin", "cmn-henan", "cmn-shaanxi", "cmn-shandong", "en")
"""What the identifier tells apart. The last three Chinese ones are Mandarin words with that variety's tones."""
ENGLISH = "en"
_SECONDS = 9.0
_WIDEST, _NARROWEST = 1.0, 0.8


@dataclass(frozen=True)
class Kind:
    """`label` is what the identifier should say, "" for speech without tones; `script` whose words are spoken."""

    label: str
    script: str
    imposed: bool = False
    flat: bool = False


KINDS: dict[str, Kind] = {
    "cmn": Kind("cmn", "cmn"),
    "cmn imposed": Kind("cmn", "cmn", imposed=True),
    "cmn, Sichuan words": Kind("cmn", "cmn-sichuan", imposed=True),
    "cmn, Tianjin words": Kind("cmn", "cmn-tianjin", imposed=True),
    "yue": Kind("yue", "yue"),
    "cmn-sichuan": Kind("cmn-sichuan", "cmn-sichuan"),
    "cmn-sichuan, Mandarin words": Kind("cmn-sichuan", "cmn"),
    "cmn-tianjin": Kind("cmn-tianjin", "cmn-tianjin"),
    "cmn-tianjin, Mandarin words": Kind("cmn-tianjin", "cmn"),
    "cmn-henan": Kind("cmn-henan", "cmn"),
    "cmn-shaanxi": Kind("cmn-shaanxi", "cmn"),
    "cmn-shandong": Kind("cmn-shandong", "cmn"),
    "en": Kind(ENGLISH, ENGLISH),
    "flat cmn": Kind("", "cmn", flat=True),
    "flat cmn-sichuan": Kind("", "cmn-sichuan", flat=True),
    "flat cmn-tianjin": Kind("", "cmn-tianjin", flat=True),
    "flat yue": Kind("", "yue", flat=True),
}


def say_kind(name: str, draw: random.Random, voices: Sequence[Voice], held_out: bool) -> Utterance:
    """Some sentences of a kind by one voice with pauses between them, at least 9 s; the text is theirs together."""
    kind, voice = KINDS[name], draw.choice(voices)
    pieces: list[NDArray[np.float32]] = []
    texts: list[str] = []
    while sum(map(len, pieces)) < _SECONDS * espeak.SAMPLE_RATE:
        text, samples = _say(kind, draw, voice, held_out)
        texts.append(text)
        pieces += [samples, np.zeros(int(draw.uniform(0.1, 0.5) * espeak.SAMPLE_RATE), np.float32)]
    whole = Sentence(kind.label, "".join(texts), (), ())
    return Utterance(whole, voice, np.concatenate(pieces), espeak.SAMPLE_RATE, ())


def _say(kind: Kind, draw: random.Random, voice: Voice, held_out: bool) -> tuple[str, NDArray[np.float32]]:
    if kind.script == ENGLISH:
        text = english_sentence(draw, held_out)
        return text, _english(text, draw, voice)
    said = sentence(kind.script, draw, held_out)
    if kind.label:
        said = replace(said, dialect=kind.label)
    utterance = speak(said, voice, draw.randrange(2**31), kind.imposed)
    if kind.flat:
        utterance = tones.flatten(utterance, draw.uniform(_NARROWEST, _WIDEST))
    return said.text, utterance.samples


def _english(text: str, draw: random.Random, voice: Voice) -> NDArray[np.float32]:
    rate = min(espeak.RATE_RANGE[1], round(voice.rate * draw.uniform(0.85, 1.1)))
    pitch = min(99, max(0, round(voice.pitch + draw.gauss(0, 1.5))))
    said = espeak.read_aloud(text, ENGLISH, rate, voice.variant, pitch, voice.pitch_range).astype(np.float32) / 32768
    shifted = soxr.resample(said, espeak.SAMPLE_RATE * voice.formant_shift, espeak.SAMPLE_RATE).astype(np.float32)
    return (shifted * np.float32(RMS / max(float(np.sqrt(np.mean(shifted**2))), 1e-6))).clip(-0.95, 0.95)
