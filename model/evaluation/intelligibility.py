"""How well the pipeline's recogniser understands: character error rate of unspaced scripts, else word error rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jiwer

from model.evaluation.recognition import UtteranceRecognizer
from model.evaluation.utterance import Measurement, NotMeasured, Utterance
from pipeline.text import dialects
from pipeline.text.normalize import NORMALIZERS, UNSPACED, normalizer


class Intelligibility:
    """cer and cer_raw, or wer and wer_raw, by jiwer. Weighted by the text's length: a mean is errors over characters.

    cer and wer are of texts that the dialect's normaliser made alike (script, numbers, punctuation), the raw ones of
    the texts as written. Details name the normaliser.
    """

    name = "intelligibility"
    gives = ("cer", "cer_raw", "wer", "wer_raw")

    def __init__(self, recognizer: UtteranceRecognizer) -> None:
        self._recognizer = recognizer
        self.conditions: Mapping[str, Any] = {
            **recognizer.conditions,
            "normalization": "; ".join(f"{name}: {what}" for name, what in NORMALIZERS.items()),
            "errors": "jiwer",
        }

    def measure(self, utterance: Utterance) -> Measurement:
        heard = self._recognizer.text(utterance)
        unit = "cer" if unspaced(utterance.dialect) else "wer"
        other = "wer" if unit == "cer" else "cer"
        made = normalizer(utterance.dialect)
        values: dict[str, float] = {}
        weights: dict[str, float] = {}
        texts = {
            unit: (made.text(utterance.text), made.text(heard)),
            f"{unit}_raw": (utterance.text.strip(), heard),
        }
        for name, (expected, found) in texts.items():
            if not expected:
                raise NotMeasured("the text has nothing to say")
            values[name], weights[name] = error_rate(expected, found, unit)
        why = f"texts of {utterance.dialect} are compared by {'characters' if unit == 'cer' else 'words'}"
        return Measurement(
            values, weights, {"heard": heard, "normalizer": made.name}, {other: why, f"{other}_raw": why}
        )


def error_rate(expected: str, heard: str, unit: str) -> tuple[float, float]:
    """(errors over units, units of `expected`), `unit` "cer" for characters or "wer" for words."""
    made = jiwer.process_characters(expected, heard) if unit == "cer" else jiwer.process_words(expected, heard)
    units = made.hits + made.substitutions + made.deletions
    return (made.substitutions + made.deletions + made.insertions) / units, float(units)


def unspaced(dialect: str) -> bool:
    """Whether texts of the dialect are compared by characters. Raises UnknownDialectError."""
    return dialects.get(dialect).script in UNSPACED
