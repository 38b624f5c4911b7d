"""espeak-ng 1.52 (from the espeakng_loader wheel) spoken syllable by syllable, with the synthesizer's own timing.

The engine is global state behind a C API: one process, one caller at a time, never two threads.
"""

from __future__ import annotations

import _ctypes
import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

from studio.speech import SpokenPhrase, SpokenSyllable

SAMPLE_RATE = 22_050

LANGUAGE_VOICES = {"cmn": "sit/cmn-Latn-pinyin", "yue": "sit/yue-Latn-jyutping"}
"""The espeak voices that read romanised syllables, so that a reading is never guessed from a character."""

TEXT_VOICES = {"cmn": "sit/cmn", "yue": "sit/yue", "en": "gmw/en-US"}
"""The espeak voices that read text, by their own dictionaries; Latin words they read as English."""

RATE_RANGE = (80, 450)
"""Words per minute that espeak honours."""

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_PHONEME_EVENTS = 1
_DONT_EXIT = 0x8000
_EVENT_END_OF_LIST, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_CHARS_UTF8 = 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_POSITION_CHARACTER = 1
_QUIET_ENOUGH_NOT_TO_CLIP = 50  # espeak's own scale; loud variants clip above it
_PAUSES = frozenset({"_", "_:", "_|", "_!", "_;_", "_::", "_^_"})
_VOWEL_MARKS = frozenset("aeiouyAEIOUYV@")
_GLIDES = frozenset({"w", "j"})
_RESPELLED = {"xiong": "xong", "jiong": "jong", "qiong": "qong", "r": "er", "ê": "ei"}
"""Pinyin that espeak's table lacks, in the spelling under which it speaks exactly that sound (x holds the i)."""


class SyllableNotSpokenError(ValueError):
    """espeak did not speak a syllable as one syllable (it spelled it out, skipped it or changed the language)."""


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Engine:
    """A freshly loaded copy of the library.

    espeak keeps flutter, noise and filter state in static variables that no call resets: what was spoken before
    changes what is spoken next. Unloading and loading the library (3 ms) makes the same input give the same bytes.
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._chunks: list[bytes] = []
        self._events: list[tuple[int, int, str]] = []
        self._callback = _Callback(self._receive)
        path = espeakng_loader.get_data_path().encode()
        options = _PHONEME_EVENTS | _DONT_EXIT
        rate = self._library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, path, options)
        if rate != SAMPLE_RATE:
            raise RuntimeError(f"espeak-ng started at {rate} Hz instead of {SAMPLE_RATE}; its data is {path.decode()}")
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        ctypes.CDLL(None).srand(1)  # breath noise is libc's rand()

    def close(self) -> None:
        """Unload the library, so that the next engine starts from nothing."""
        self._library.espeak_Terminate()
        _ctypes.dlclose(self._library._handle)

    def _receive(self, wave: object, count: int, events: ctypes.Array[_Event]) -> int:
        if wave and count > 0:
            self._chunks.append(ctypes.string_at(wave, count * 2))  # pyright: ignore[reportArgumentType]
        index = 0
        while (event := events[index]).type != _EVENT_END_OF_LIST:
            if event.type == _EVENT_WORD:
                self._events.append((event.type, event.sample, ""))
            elif event.type == _EVENT_PHONEME:
                self._events.append((event.type, event.sample, event.id.string.decode("utf-8", "replace")))
            index += 1
        return 0

    def set_voice(self, name: str, pitch: int, pitch_range: int, rate: int) -> None:
        if self._library.espeak_SetVoiceByName(name.encode()) != 0:
            raise RuntimeError(f"espeak-ng cannot load the voice {name!r} from {espeakng_loader.get_data_path()}")
        for parameter, value in (
            (_RATE, rate),
            (_VOLUME, _QUIET_ENOUGH_NOT_TO_CLIP),
            (_PITCH, pitch),
            (_RANGE, pitch_range),
        ):
            self._library.espeak_SetParameter(parameter, int(value), 0)

    def speak(self, syllables: Sequence[str]) -> SpokenPhrase:
        samples = self.read(" ".join(_respelled(syllable) for syllable in syllables))
        return SpokenPhrase(samples, _syllables(syllables, self._events))

    def read(self, words: str) -> NDArray[np.int16]:
        self._chunks.clear()
        self._events.clear()
        text = words.encode() + b"\0"
        status = self._library.espeak_Synth(text, len(text), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None)
        if status != 0:
            raise RuntimeError(f"espeak_Synth returned {status} for {words!r}")
        return np.frombuffer(b"".join(self._chunks), np.int16)


def say(
    phrases: Sequence[Sequence[str]], language: str, variant: str, pitch: int, pitch_range: int, rate: int
) -> list[SpokenPhrase]:
    """Speak each phrase of pinyin or jyutping syllables with a tone digit; equal arguments give equal bytes.

    `language` is "cmn" or "yue", `variant` a file of espeak's `voices/!v`, `pitch` and `pitch_range` 0..99, `rate`
    words per minute. Raises SyllableNotSpokenError when espeak did not speak one word per syllable.
    """
    if variant not in variants():  # espeak itself would silently fall back to its plain voice
        raise ValueError(f"espeak-ng has no variant {variant!r}; it has {', '.join(variants())}")
    engine = _Engine()
    try:
        engine.set_voice(f"{LANGUAGE_VOICES[language]}+{variant}", pitch, pitch_range, rate)
        return [engine.speak(phrase) for phrase in phrases]
    finally:
        engine.close()


def read_aloud(
    text: str, language: str, rate: int = 160, variant: str = "", pitch: int = 50, pitch_range: int = 50
) -> NDArray[np.int16]:
    """Any text as espeak itself reads it, int16 (T,) at 22,050 Hz; `language` is "cmn", "yue" or "en".

    `variant`, `pitch`, `pitch_range` and `rate` as in `say`; without a variant it is espeak's plain voice.
    """
    engine = _Engine()
    try:
        name = TEXT_VOICES[language]
        engine.set_voice(f"{name}+{variant}" if variant else name, pitch, pitch_range, rate)
        return engine.read(text)
    finally:
        engine.close()


@cache
def variants() -> tuple[str, ...]:
    """Names of the speaker variants that the wheel ships."""
    return tuple(sorted(entry.name for entry in (Path(espeakng_loader.get_data_path()) / "voices" / "!v").iterdir()))


def _respelled(syllable: str) -> str:
    if not (syllable[:-1].isalpha() and syllable[-1:] in set("123456")):
        raise SyllableNotSpokenError(f"{syllable!r} is not a romanised syllable with a tone digit")
    return _RESPELLED.get(syllable[:-1], syllable[:-1]) + syllable[-1]


def _syllables(syllables: Sequence[str], events: list[tuple[int, int, str]]) -> tuple[SpokenSyllable, ...]:
    words: list[list[tuple[int, str]]] = []
    for kind, sample, name in events:
        if kind == _EVENT_WORD:
            words.append([])
        elif words:
            words[-1].append((sample, name))
    if len(words) != len(syllables):
        raise SyllableNotSpokenError(f"espeak spoke {len(words)} words for the {len(syllables)} of {syllables}")
    return tuple(_syllable(text, phonemes) for text, phonemes in zip(syllables, words, strict=True))


def _syllable(text: str, events: list[tuple[int, str]]) -> SpokenSyllable:
    """One word's phoneme events -> its span: from its first sound to the pause mark that closes it."""
    sounds: list[tuple[int, str]] = []
    end = -1
    for sample, name in events:
        if name in _PAUSES:
            if sounds:
                end = sample
                break
        elif name.startswith("("):
            raise SyllableNotSpokenError(f"espeak left the language at {name} in {text!r}: not a syllable it knows")
        else:
            sounds.append((sample, name))
    if not sounds or end <= sounds[0][0]:
        raise SyllableNotSpokenError(f"espeak spoke no sound for {text!r}: not a syllable it knows")
    rhyme = next((at for at, name in sounds if name in _GLIDES or _VOWEL_MARKS & set(name)), sounds[0][0])
    return SpokenSyllable(text, sounds[0][0], rhyme, end, tuple(name for _, name in sounds))
