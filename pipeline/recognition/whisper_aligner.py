"""Lays a text on sound with any Whisper checkpoint: CTranslate2's cross-attention alignment and token probabilities.

A character's score is p / (p + q): p is the probability of its tokens with the sound, q without it (with silence). A
plausible sentence that is not spoken has p as low as q, however good a sentence it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import vad
from pipeline.recognition.alignment import SAMPLE_RATE, AlignmentError, CharacterSpan, LaidText, TextAligner
from pipeline.recognition.whisper import FasterWhisper
from pipeline.settings import Align, RecognizerSettings
from pipeline.text.romanize import Token

_LONGEST_SECONDS = 30.0
_MOST_TOKENS = 440
_FRAME_SECONDS = 0.02
_LATE_SECONDS = 0.04
"""Attention moves on before a character begins: by so much on studio speech, for whisper-micro and Whisper base."""
_LEAST_SECONDS = 0.02
_SILENT_SECONDS = 1.0
_LEAST_PROBABILITY = 1e-6


def open_whisper(settings: Align) -> TextAligner:
    """A checkpoint for faster-whisper: a folder, or a name such as large-v3. Raises ModelUnavailable."""
    from pipeline.recognition.aligners import KEY

    named = RecognizerSettings(
        checkpoint=settings.checkpoint, device=settings.device, compute_type=settings.compute_type
    )
    return WhisperAligner(named, key=KEY)


class WhisperAligner:
    """A TextAligner: the checkpoint of `settings`, on its device. Raises ModelUnavailable that names `key`."""

    def __init__(self, settings: RecognizerSettings, *, key: str = "") -> None:
        self._whisper = FasterWhisper(settings, key=key)
        self.name = settings.label
        self._silence: Any = None

    def lay(self, samples: NDArray[np.float32], tokens: Sequence[Token], dialect: str) -> LaidText:
        """As TextAligner.lay, of a clip of at most 30 s; where a pause begins is what Silero VAD says."""
        if not tokens:
            return LaidText([])
        duration = len(samples) / SAMPLE_RATE
        if duration > _LONGEST_SECONDS:
            raise AlignmentError(
                f"{duration:.1f} s are more than the {_LONGEST_SECONDS:g} s that Whisper takes at once"
            )
        text, places = _written(tokens)
        pieces = self._whisper.tokenized(text)
        if len(pieces) > _MOST_TOKENS:
            raise AlignmentError(f"{len(pieces)} tokens are more than the {_MOST_TOKENS} that Whisper takes at once")
        if self._silence is None:
            self._silence = self._whisper.encoded(np.zeros(round(_SILENT_SECONDS * SAMPLE_RATE), np.float32))
        ids = [number for number, _, _ in pieces]
        starts, with_sound = self._whisper.aligned(self._whisper.encoded(samples), ids, dialect)
        _, without = self._whisper.aligned(self._silence, ids, dialect)
        edges = [min(moment * _FRAME_SECONDS + _LATE_SECONDS * (moment > 0), duration) for moment in starts]
        gains = _log(with_sound) - _log(without)
        spans = _spans(tokens, places, [(first, last) for _, first, last in pieces], edges, gains)
        return LaidText(_without_pauses(spans, samples, duration))


def _written(tokens: Sequence[Token]) -> tuple[str, list[tuple[int, int]]]:
    """The text as Whisper writes it, a blank before a word of an alphabet, and where in it each token lies."""
    text, places = "", []
    for token in tokens:
        text += " " if token.char[:1].isascii() else ""
        places.append((len(text), len(text) + len(token.char)))
        text += token.char
    return text, places


def _log(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.maximum(probabilities, _LEAST_PROBABILITY))


def _spans(
    tokens: Sequence[Token],
    places: Sequence[tuple[int, int]],
    pieces: Sequence[tuple[int, int]],
    edges: Sequence[float],
    gains: NDArray[np.float64],
) -> list[CharacterSpan]:
    """Spans of the characters from `edges`, the beginning of each of Whisper's tokens and the end of the last.

    A token of several characters gives each the same share of its time.
    """
    times: list[tuple[float, float]] = []
    scores: list[float] = []
    for first, last in places:
        own = [number for number, (start, stop) in enumerate(pieces) if start < last and stop > first]
        if not own:
            raise AlignmentError("the checkpoint's tokens do not cover the text")
        times.append((_at(first, own[0], pieces, edges), _at(last, own[-1], pieces, edges)))
        scores.append(1.0 / (1.0 + math.exp(-float(np.mean(gains[own])))))
    return [
        CharacterSpan(token.char, start, end, score)
        for token, (start, end), score in zip(tokens, times, scores, strict=True)
    ]


def _at(place: int, number: int, pieces: Sequence[tuple[int, int]], edges: Sequence[float]) -> float:
    """The moment at which a place in the text is reached inside one of Whisper's tokens."""
    start, stop = pieces[number]
    same = [other for other, piece in enumerate(pieces) if piece == (start, stop)]
    begin, end = edges[same[0]], edges[same[-1] + 1]
    share = min(max((place - start) / (stop - start), 0.0), 1.0) if stop > start else 0.0
    return begin + share * (end - begin)


def _without_pauses(
    spans: Sequence[CharacterSpan], samples: NDArray[np.float32], duration: float
) -> list[CharacterSpan]:
    """Attention gives a pause to the character before it or after it: each keeps what lies in speech."""
    speech = [(first / SAMPLE_RATE, last / SAMPLE_RATE) for first, last in vad.close_spans(samples)]
    found: list[CharacterSpan] = []
    reached = 0.0
    for number, span in enumerate(spans):
        left = (len(spans) - number) * _LEAST_SECONDS
        inside = [(max(span.start, start), min(span.end, end)) for start, end in speech]
        inside = [(start, end) for start, end in inside if end - start >= _LEAST_SECONDS]
        start, end = max(inside, key=lambda one: one[1] - one[0], default=(span.start, span.end))
        start = min(max(start, reached), max(duration - left, reached))
        end = max(min(end, duration - left + _LEAST_SECONDS), start + _LEAST_SECONDS)
        found.append(CharacterSpan(span.char, start, end, span.score))
        reached = end
    return found
