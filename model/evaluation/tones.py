"""Whether the tones are the dialect's: pitch contours of aligned syllables against those of a corpus or of Chao values.

Tones are grouped as they are spoken (pipeline/text/tone_sandhi.py): after sandhi in Mandarin, Tianjin and Southern Min,
with Chengdu's entering tones; in every other dialect by the tone of the reading, its sandhi left inside the spread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.evaluation import tone_reference
from model.evaluation.recognition import UtteranceAligner
from model.evaluation.tone_contours import Contour, contours, contours_of_track, track
from model.evaluation.tone_reference import ToneReference
from model.evaluation.utterance import Measurement, NotMeasured, Utterance
from pipeline.text import dialects

MONOTONE = "monotone"
FEWEST = 3
"""Syllables with a tone and a pitch; fewer give no correlation worth a number."""
_FARTHEST = 8.0
"""Semitones at which a point's error is cut: beyond it Praat has taken another octave."""


@dataclass(frozen=True)
class Fitted:
    """(n, 11) contours less the speaker's register, and (n, 11) what the reference expects, in semitones."""

    tones: tuple[str, ...]
    observed: NDArray[np.float64]
    expected: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Root mean square distance in semitones."""
        return float(np.sqrt(np.mean(np.clip(self.observed - self.expected, -_FARTHEST, _FARTHEST) ** 2)))

    @property
    def range(self) -> float:
        """Spread of the contours as a share of the expected spread: 0 for a monotone."""
        return float(self.observed.std() / max(self.expected.std(), 1e-9))

    @property
    def distance(self) -> float:
        """1 - r min(1, range), r the correlation of contours and expectation: 0 right, 1 no tones, up to 2 wrong ones.

        The range counts up to the reference's own, because a livelier speaker's tones are not wrong.
        """
        one, two = self.observed - self.observed.mean(), self.expected - self.expected.mean()
        correlation = float((one * two).sum() / max(np.sqrt((one**2).sum() * (two**2).sum()), 1e-9))
        return 1.0 - correlation * min(1.0, self.range)


class ToneFidelity:
    """tone_distance, tone_error_st, tone_range, tone_accuracy; weighted by syllables.

    `references` by dialect, learned from a corpus (`learn_reference`); where there is none the registry's Chao values
    stand in. Details hold each syllable's contour and the confusion of its tone with the nearest.
    """

    name = "tones"
    gives = ("tone_distance", "tone_error_st", "tone_range", "tone_accuracy")

    def __init__(self, aligner: UtteranceAligner, references: Mapping[str, ToneReference] | None = None) -> None:
        self._aligner = aligner
        self._references = dict(references or {})
        self.conditions: Mapping[str, Any] = {
            **aligner.conditions,
            "pitch": "Praat autocorrelation, 5 ms, bounds from quartiles",
            "contour": "11 points over the voiced rhyme, semitones around the register that fits best",
            "tone_reference": {code: reference.source for code, reference in self._references.items()}
            or f"Chao values, {tone_reference.SEMITONES_PER_LEVEL} semitones a level",
        }

    def measure(self, utterance: Utterance) -> Measurement:
        reference = self.reference(utterance.dialect)
        spans = self._aligner.spans(utterance)
        fitted = fit(contours(utterance.samples, utterance.sample_rate, spans, utterance.dialect), reference)
        nearest = nearest_tones(fitted, reference)
        values = {
            "tone_distance": fitted.distance,
            "tone_error_st": fitted.error,
            "tone_range": fitted.range,
            "tone_accuracy": float(np.mean([one == two for one, two in zip(fitted.tones, nearest, strict=True)])),
        }
        shapes = [
            {"tone": tone, "nearest": near, "semitones": np.round(curve, 1).tolist()}
            for tone, near, curve in zip(fitted.tones, nearest, fitted.observed, strict=True)
        ]
        weights = dict.fromkeys(values, float(len(fitted.tones)))
        return Measurement(values, weights, {"tone_reference": reference.source, "syllables": shapes})

    def reference(self, dialect: str) -> ToneReference:
        """The dialect's reference. Raises NotMeasured for a language without tones, or whose readings tell none.

        A dialect that borrows its readings is refused whether a reference was learned or not.
        """
        if reason := untold(dialect):
            raise NotMeasured(reason)
        if dialect not in self._references:
            try:
                self._references[dialect] = tone_reference.from_chao(dialect)
            except (ValueError, dialects.UnknownDialectError) as error:
                raise NotMeasured(str(error)) from None
        return self._references[dialect]


def learn_reference(
    dialect: str, utterances: Iterable[Utterance], aligner: UtteranceAligner, source: str = "corpus"
) -> ToneReference:
    """The dialect's tones from corpus segments (given spans save the alignment); one speaker an utterance.

    Segments that cannot be aligned are passed over. Raises ValueError if no tone is left or the readings tell none.
    """
    if reason := untold(dialect):
        raise ValueError(reason)
    found: list[list[Contour]] = []
    for utterance in utterances:
        try:
            spans = aligner.spans(utterance)
        except NotMeasured:
            continue
        shapes = contours(utterance.samples, utterance.sample_rate, spans, dialect)
        if len(shapes) >= FEWEST:
            found.append(shapes)
    return tone_reference.learn(dialect, found, source)


def fit(found: Sequence[Contour], reference: ToneReference) -> Fitted:
    """Contours around the register at which they lie best on what the reference expects of their tones.

    So neither a speaker's pitch nor which tones a text happens to have moves the register. Raises NotMeasured under 3
    syllables.
    """
    expected, known = reference.expected(found)
    if known.sum() < FEWEST:
        raise NotMeasured(f"{int(known.sum())} syllables have a known tone and a pitch; {FEWEST} are needed")
    observed = np.stack([contour.semitones for contour in found])[known]
    expected = expected[known]
    register = np.median((observed - expected).mean(axis=1))
    tones = tuple(contour.tone for contour, used in zip(found, known, strict=True) if used)
    return Fitted(tones, observed - register, expected)


def nearest_tones(fitted: Fitted, reference: ToneReference) -> list[str]:
    """For each syllable the tone whose mean contour is nearest, level included."""
    names = sorted(reference.shapes)
    means = np.stack([reference.shapes[name].mean for name in names])
    errors = np.square(fitted.observed[:, None] - means[None]).mean(axis=2)
    return [names[index] for index in errors.argmin(axis=1)]


def dialect_errors(
    utterance: Utterance, references: Sequence[ToneReference], aligner: UtteranceAligner
) -> dict[str, float]:
    """Error in semitones against each dialect, its own sandhi applied, and against a monotone: the least is nearest.

    Raises NotMeasured.
    """
    spans = aligner.spans(utterance)
    times, pitch = track(utterance.samples, utterance.sample_rate)
    errors: dict[str, float] = {}
    observed = np.zeros((0, 0))
    for reference in references:
        fitted = fit(contours_of_track(times, pitch, spans, reference.dialect), reference)
        errors[reference.dialect] = fitted.error
        observed = fitted.observed
    level = np.clip(observed - np.median(observed.mean(axis=1)), -_FARTHEST, _FARTHEST)
    return errors | {MONOTONE: float(np.sqrt(np.mean(level**2)))}


def untold(dialect: str) -> str:
    """Why the dialect's tones cannot be told from its readings; "" if they can. An unknown code is not judged here."""
    described = dialects.REGISTRY.get(dialect)
    if described is None or described.own_readings:
        return ""
    return f"{dialect} borrows Mandarin readings, whose tones are not its own"


def confusion(details: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Details of many utterances to counts: own tone -> nearest tone -> syllables."""
    table: dict[str, dict[str, int]] = {}
    for detail in details:
        for syllable in detail.get("syllables", ()):
            row = table.setdefault(syllable["tone"], {})
            row[syllable["nearest"]] = row.get(syllable["nearest"], 0) + 1
    return {tone: dict(sorted(table[tone].items())) for tone in sorted(table)}


def curves(details: Iterable[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """Details of many utterances to (n, 11) contours by tone."""
    found: dict[str, list[list[float]]] = {}
    for detail in details:
        for syllable in detail.get("syllables", ()):
            found.setdefault(syllable["tone"], []).append(syllable["semitones"])
    return {tone: np.array(found[tone]) for tone in sorted(found)}
