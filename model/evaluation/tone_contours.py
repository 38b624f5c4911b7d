"""Pitch contours of syllables: Praat's F0 in semitones, the voiced part of each rhyme at 11 even points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import parselmouth
from numpy.typing import NDArray

from model.evaluation.utterance import Span
from pipeline.text.tone_sandhi import surface_tones

POINTS = 11
CEILING_HZ, FLOOR_HZ = 600.0, 60.0
_STEP = 0.005
_ONSET_SHARE = 0.25
"""Of a syllable with an initial: what precedes the rhyme, or carries the last tone over into it."""
_SHORTEST_VOICED = 0.04
_LARGEST_GAP = 3
_JUMP = 3.0
"""Semitones between two frames 5 ms apart that no voice sings: an octave error or a lost period."""
PAUSE_SECONDS = 0.15
_VOWELS = frozenset("aeiouvü")


@dataclass(frozen=True)
class Contour:
    """One syllable: its tone as spoken, its place in seconds, (11,) semitones above 1 Hz over its voiced rhyme."""

    char: str
    tone: str
    start: float
    end: float
    semitones: NDArray[np.float64]


def contours(samples: NDArray[np.float32], rate: int, spans: Sequence[Span], dialect: str) -> list[Contour]:
    """The contours of the syllables that have a tone and enough voice, in order; `dialect` rules the sandhi.

    Left out: syllables with less than 40 ms of voice and what Praat hears no pitch in.
    """
    return contours_of_track(*track(samples, rate), spans, dialect)


def contours_of_track(
    times: NDArray[np.float64], pitch: NDArray[np.float64], spans: Sequence[Span], dialect: str
) -> list[Contour]:
    """`contours` from times in seconds and pitch in semitones (see `track`): one track serves several dialects."""
    tones = spoken_tones(spans, dialect)
    found: list[Contour] = []
    for span, tone in zip(spans, tones, strict=True):
        if not tone:
            continue
        initial = span.reading[:1] not in _VOWELS
        begin = span.start + _ONSET_SHARE * (span.end - span.start) if initial else span.start
        inside = slice(*np.searchsorted(times, [begin, span.end]))
        shape = _shape(times[inside], pitch[inside])
        if shape is not None:
            found.append(Contour(span.char, tone, span.start, span.end, shape))
    return found


def spoken_tones(spans: Sequence[Span], dialect: str) -> list[str]:
    """The tone of each span after the dialect's tone classes and sandhi, none across a pause; "" without a tone."""
    pauses = [index for index in range(len(spans) - 1) if spans[index + 1].start - spans[index].end > PAUSE_SECONDS]
    return surface_tones(dialect, [span.reading for span in spans], [span.char for span in spans], pauses)


def track(samples: NDArray[np.float32], rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times in seconds and pitch in semitones above 1 Hz, NaN without voice, every 5 ms.

    Twice: the quartiles of the first pass bound the second (De Looze and Hirst 2008), which saves octave errors.
    """
    sound = parselmouth.Sound(samples.astype(np.float64), rate)
    if sound.duration < 3.2 / FLOOR_HZ:
        return np.zeros(0), np.zeros(0)
    first = sound.to_pitch_ac(time_step=0.015, pitch_floor=FLOOR_HZ, pitch_ceiling=CEILING_HZ)
    hertz = first.selected_array["frequency"]
    voiced = hertz[hertz > 0]
    if len(voiced) < 3:
        return np.zeros(0), np.zeros(0)
    low, high = np.quantile(voiced, [0.25, 0.75])
    floor = max(FLOOR_HZ, 0.6 * low)
    ceiling = min(CEILING_HZ, max(2.0 * high, 2 * floor))
    if sound.duration < 3.2 / floor:
        return np.zeros(0), np.zeros(0)
    second = sound.to_pitch_ac(time_step=_STEP, pitch_floor=floor, pitch_ceiling=ceiling)
    hertz = second.selected_array["frequency"]
    with np.errstate(divide="ignore"):
        return second.xs(), np.where(hertz > 0, 12 * np.log2(np.maximum(hertz, 1e-9)), np.nan)


def _shape(times: NDArray[np.float64], pitch: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """(11,) over the longest voiced stretch, short gaps bridged; None if it is under 40 ms."""
    voiced = np.flatnonzero(np.isfinite(pitch))
    if not len(voiced):
        return None
    apart = (np.diff(voiced) > _LARGEST_GAP) | (np.abs(np.diff(pitch[voiced])) > _JUMP)
    stretches = np.split(voiced, np.flatnonzero(apart) + 1)
    longest = max(stretches, key=len)
    if (longest[-1] - longest[0]) * _STEP < _SHORTEST_VOICED:
        return None
    places = np.linspace(times[longest[0]], times[longest[-1]], POINTS)
    return np.interp(places, times[longest], pitch[longest])
