"""Kokoro-82M spoken syllable by syllable: Mandarin that a recogniser of real speech understands, with its own timing.

Weights come by `python -m studio.kokoro_weights`; where they are missing, the studio speaks with espeak-ng alone. Five
styles are mixed to voices. The network says how many frames of 25 ms each phoneme lasts: that is the timing, three
frames earlier than their sum (measured on fricatives, and what Kokoro's own program does). The last phoneme of a phrase
holds the silence after it too, so that a phrase ends where its sound does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from studio.speech import SpokenPhrase, SpokenSyllable

SAMPLE_RATE = 24_000
FRAME = 600
"""Samples at 24 kHz of one frame of a phoneme's duration: 25 ms, the resolution of the timing."""

LEAD = 3
"""Frames by which the sound comes before the sum of the durations."""

PREFIX = "kokoro:"
"""How the variant of a voice that this engine speaks begins: `kokoro:jf_alpha*0.5+jm_kumo*0.5`."""

_TONE_MARKS = (("˧˩˧", "↓"), ("˧˥", "↗"), ("˥˩", "↘"), ("˥", "→"))
_APICAL_VOWELS = ("ɻ̩", "ɹ̩")
_VOWELS = frozenset("aeiouyɑɔəɚɛɤɨʊɥjw")
_FULL_STOP = "."
_HUSHED = 0.02
"""Of the loudest 10 ms: what is quieter is no longer speech."""


class KokoroMissingError(RuntimeError):
    """The weights or the front end are not installed; the message says how to get them."""


def folder() -> Path:
    """Where the weights lie: `$FANGYAN_KOKORO`, else `.cache/kokoro` in the project."""
    return Path(os.environ.get("FANGYAN_KOKORO") or Path(__file__).resolve().parent.parent / ".cache" / "kokoro")


def installed() -> bool:
    """Whether the weights and the front end are there."""
    from importlib.util import find_spec

    return (folder() / "model.onnx").is_file() and find_spec("misaki") is not None


def require() -> None:
    """Raise KokoroMissingError, with the commands that bring it, where Kokoro is not installed."""
    if not installed():
        raise KokoroMissingError(
            f"Kokoro's weights are not in {folder()}, or misaki is not installed; run "
            "pip install '.[kokoro]' and python -m studio.kokoro_weights"
        )


def say(phrases: Sequence[Sequence[str]], variant: str, rate: float, sample_rate: int) -> list[SpokenPhrase]:
    """Speak each phrase of pinyin syllables with a tone digit (`v` is ü); equal arguments give equal bytes.

    `variant` names the mixture of styles, `rate` is a factor on the usual speed. Samples and times are at `sample_rate`
    Hz; times lie on multiples of 25 ms. Raises KokoroMissingError, and ValueError for a mixture that cannot be read or
    a syllable that is not pinyin.
    """
    engine = _engine()
    style = engine.style(variant)
    return [engine.speak(phrase, style, rate, sample_rate) for phrase in phrases]


def phonemes(syllable: str) -> str:
    """A pinyin syllable with a tone digit as the network spells it: `"ba1"` -> `"pa→"`. Raises ValueError."""
    from misaki.transcription import pinyin_to_ipa

    try:
        spelled = "".join(pinyin_to_ipa(syllable.replace("v", "ü"))[0])
    except ValueError as error:
        raise ValueError(f"{syllable!r} is not a syllable that Kokoro knows: {error}") from None
    for apical in _APICAL_VOWELS:
        spelled = spelled.replace(apical, "ɨ")
    for contour, mark in _TONE_MARKS:
        spelled = spelled.replace(contour, mark)
    return spelled.replace("\u032f", "")


class _Engine:
    """The network and its styles, loaded once in a process."""

    def __init__(self) -> None:
        import onnxruntime

        require()
        where = folder()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(where / "model.onnx"), options, ["CPUExecutionProvider"])
        self._vocabulary: dict[str, int] = json.loads((where / "vocab.json").read_text("utf-8"))["vocab"]
        with np.load(where / "voices.npz") as archive:
            self.styles = {name: archive[name].reshape(-1, 256).astype(np.float32) for name in archive.files}

    def style(self, variant: str) -> NDArray[np.float32]:
        """Mixture (510, 256) of a variant such as `kokoro:jf_alpha*0.5+jm_kumo*0.5`."""
        mixed = np.zeros((0, 256), np.float32)
        for part in variant.removeprefix(PREFIX).split("+"):
            name, _, weight = part.partition("*")
            if name not in self.styles:
                raise ValueError(f"{variant!r}: Kokoro has no style {name!r}; it has {', '.join(self.styles)}")
            piece = self.styles[name] * np.float32(weight or 1)
            mixed = piece if not mixed.size else mixed + piece
        return mixed

    def speak(
        self, syllables: Sequence[str], style: NDArray[np.float32], rate: float, sample_rate: int
    ) -> SpokenPhrase:
        letters: list[tuple[int, str]] = []
        for index, syllable in enumerate(syllables):
            spelled = phonemes(syllable)
            unknown = [letter for letter in spelled if letter not in self._vocabulary]
            if unknown or not spelled:
                raise ValueError(f"{syllable!r} is not a syllable that Kokoro knows ({spelled!r})")
            letters += [(index, letter) for letter in spelled]
        tokens = [0, *(self._vocabulary[letter] for _, letter in letters), self._vocabulary[_FULL_STOP], 0]
        feed: dict[str, Any] = {
            "tokens": np.array([tokens], np.int64),
            "style": style[min(len(tokens) - 2, len(style) - 1)][None],
            "speed": np.array([rate], np.float32),
        }
        samples, durations = self._session.run(None, feed)
        ends = np.maximum(np.cumsum(np.asarray(durations).ravel()) - LEAD, 0)
        scale = FRAME * sample_rate / SAMPLE_RATE
        spans: list[SpokenSyllable] = []
        for index, syllable in enumerate(syllables):
            places = [place + 1 for place, (owner, _) in enumerate(letters) if owner == index]
            rhyme = next((place for place in places if letters[place - 1][1] in _VOWELS), places[0])
            start, begin, end = (round(float(ends[place]) * scale) for place in (places[0] - 1, rhyme - 1, places[-1]))
            spans.append(SpokenSyllable(syllable, start, begin, end, tuple(letters[place - 1][1] for place in places)))
        heard = soxr.resample(np.asarray(samples, np.float32).ravel(), SAMPLE_RATE, sample_rate)
        if spans:
            last = spans[-1]
            spans[-1] = replace(last, end=max(min(last.end, _end_of_sound(heard, sample_rate)), last.rhyme + 1))
        return SpokenPhrase((np.clip(heard, -1, 1) * 32767).astype(np.int16), tuple(spans))


def _end_of_sound(samples: NDArray[np.float32], sample_rate: int) -> int:
    """The sample behind the last 10 ms that are not much quieter than the loudest."""
    hop = sample_rate // 100
    power = np.square(samples[: len(samples) // hop * hop].reshape(-1, hop)).mean(1)
    return (int(np.flatnonzero(power >= power.max() * _HUSHED**2)[-1]) + 1) * hop


@cache
def _engine() -> _Engine:
    return _Engine()
