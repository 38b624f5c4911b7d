"""A sentence and a voice to an utterance with its truth: an engine's speech, formant shift, dialect tones, spans."""

from __future__ import annotations

import random

import numpy as np
import soxr
from numpy.typing import NDArray

from pipeline.text.tone_sandhi import surface_tones
from studio import espeak, kokoro, tones
from studio.speech import CharacterSpan, Sentence, SpokenPhrase, Utterance, Voice
from studio.voices import nominal_pitch

EDGE = 0.05
"""Seconds of silence kept before the first and after the last syllable."""

RMS = 0.07
"""Level of every utterance, about -23 dBFS, so that voices differ by timbre and not by espeak's loudness."""

_PEAK = 0.95
_OWN_TONES = frozenset({"cmn", "yue"})
"""Dialects whose tones espeak itself speaks."""


def speak(sentence: Sentence, voice: Voice, seed: int = 0, imposed: bool = False) -> Utterance:
    """Speak a sentence; equal arguments give equal bytes in any process.

    `imposed`: Mandarin's tones too are put on level speech, as those of the other Mandarin varieties always are.

    The seed varies rate, pitch, pauses and declination a little, as one person varies. Spans are in seconds and come
    from the engine's own timing, scaled as the audio is: espeak-ng's to the sample, Kokoro's to 25 ms.
    """
    draw = random.Random(f"{seed}|{voice.voice_id}|{sentence.dialect}|{' '.join(sentence.syllables)}")
    imposed = imposed or sentence.dialect not in _OWN_TONES
    spoken = _spoken_syllables(sentence, imposed)
    phrases = _phrases(spoken, sentence.breaks)
    said = _said(phrases, sentence.dialect, voice, draw)
    joined, timed = _joined(said, draw)
    samples = _shifted(joined, voice.formant_shift)
    scale = 1 / (espeak.SAMPLE_RATE * voice.formant_shift)
    if imposed:
        surface = surface_tones(sentence.dialect, sentence.syllables, sentence.characters, sentence.breaks)
        values = tones.chao_values(sentence.dialect, surface)
        targets = [
            tones.ToneTarget(rhyme * scale, end * scale, value)
            for (_, rhyme, end), value in zip(timed, values, strict=True)
        ]
        declination = draw.uniform(0.0, 0.8)
        samples = tones.impose(samples, espeak.SAMPLE_RATE, targets, nominal_pitch(voice), declination)
    spans = tuple(
        CharacterSpan(character, syllable, start * scale, end * scale)
        for character, syllable, (start, _, end) in zip(sentence.characters, sentence.syllables, timed, strict=True)
    )
    return Utterance(sentence, voice, _levelled(samples), espeak.SAMPLE_RATE, spans)


def _said(phrases: list[list[str]], dialect: str, voice: Voice, draw: random.Random) -> list[SpokenPhrase]:
    """Phrases as the voice's engine speaks them, at espeak's sample rate. Raises ValueError for Cantonese by Kokoro."""
    if voice.variant.startswith(kokoro.PREFIX):
        if dialect == "yue":
            raise ValueError(f"{voice.voice_id}: Kokoro speaks no Cantonese; choose one of espeak-ng's voices")
        rate = voice.rate / 100 * draw.uniform(0.93, 1.07)
        return kokoro.say(phrases, voice.variant, rate, espeak.SAMPLE_RATE)
    return espeak.say(
        phrases,
        "yue" if dialect == "yue" else "cmn",
        voice.variant,
        _within(round(voice.pitch + draw.gauss(0, 1.5)), (0, 99)),
        _within(round(voice.pitch_range + draw.gauss(0, 3)), (0, 99)),
        _within(round(voice.rate * draw.uniform(0.93, 1.07)), espeak.RATE_RANGE),
    )


def _spoken_syllables(sentence: Sentence, level: bool) -> list[str]:
    """What espeak is told to say: sandhi applied; all `level` where Praat puts the tones on afterwards."""
    if level:
        return [syllable if syllable[-1] == tones.NEUTRAL else syllable[:-1] + "1" for syllable in sentence.syllables]
    surface = surface_tones(sentence.dialect, sentence.syllables, sentence.characters, sentence.breaks)
    return [syllable[:-1] + tone for syllable, tone in zip(sentence.syllables, surface, strict=True)]


def _phrases(syllables: list[str], breaks: tuple[int, ...]) -> list[list[str]]:
    phrases: list[list[str]] = [[]]
    for index, syllable in enumerate(syllables):
        phrases[-1].append(syllable)
        if index in breaks and index + 1 < len(syllables):
            phrases.append([])
    return phrases


def _joined(said: list[SpokenPhrase], draw: random.Random) -> tuple[NDArray[np.float32], list[tuple[int, int, int]]]:
    """Phrases with pauses between them -> samples (T,) and (start, rhyme, end) in samples for each syllable."""
    edge = round(EDGE * espeak.SAMPLE_RATE)
    pieces: list[NDArray[np.float32]] = [np.zeros(edge, np.float32)]
    timed: list[tuple[int, int, int]] = []
    position = edge
    for number, phrase in enumerate(said):
        first, last = phrase.syllables[0].start, phrase.syllables[-1].end
        timed += [
            (s.start - first + position, s.rhyme - first + position, s.end - first + position) for s in phrase.syllables
        ]
        pieces.append(phrase.samples[first:last].astype(np.float32) / np.float32(32768))
        position += last - first
        silence = edge if number + 1 == len(said) else round(draw.uniform(0.18, 0.45) * espeak.SAMPLE_RATE)
        pieces.append(np.zeros(silence, np.float32))
        position += silence
    return np.concatenate(pieces), timed


def _shifted(samples: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Stretch the spectrum by `factor`: read the samples as if recorded at factor x 22,050 Hz."""
    if factor == 1.0:
        return samples
    return soxr.resample(samples, espeak.SAMPLE_RATE * factor, espeak.SAMPLE_RATE).astype(np.float32)


def _levelled(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    power = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    peak = float(np.max(np.abs(samples)))
    gain = min(RMS / max(power, 1e-9), _PEAK / max(peak, 1e-9))
    return (samples * np.float32(gain)).astype(np.float32)


def _within(value: int, bounds: tuple[int, int]) -> int:
    return min(bounds[1], max(bounds[0], value))
