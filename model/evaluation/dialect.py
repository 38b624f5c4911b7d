"""Whether an utterance sounds like its dialect, and where it turns Mandarin, by the pipeline's dialect identifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from model.evaluation.utterance import Measurement, NotMeasured, Utterance
from pipeline.recognition import dialect_identifier
from pipeline.recognition.checkpoints import fingerprint
from pipeline.recognition.dialect_identifier import SAMPLE_RATE, Identifier, NotJudged, judge
from pipeline.settings import DialectIdentifier

MANDARIN = "cmn"


class DialectAccuracy:
    """dialect_accuracy (1 where the dialect is heard, else 0), dialect_probability, mandarin_share.

    Not measured for a dialect that the identifier does not know, for less than a second, or without an identifier.
    `mandarin_share` is the share of the time that is heard as Mandarin, where that is not the dialect. Details hold
    what was heard from where to where.
    """

    name = "dialect"
    gives = ("dialect_accuracy", "dialect_probability", "mandarin_share")

    def __init__(self, settings: DialectIdentifier, identifier: Identifier | None = None) -> None:
        self._settings = settings
        if identifier is None and settings.checkpoint:
            identifier = dialect_identifier.open_identifier(settings)
        self._identifier = identifier
        self.conditions: Mapping[str, Any] = {
            "dialect_identifier": settings.checkpoint or "none",
            "dialect_identifier_fingerprint": fingerprint(settings.checkpoint)[:12] if settings.checkpoint else "",
            "dialect_window_s": settings.window_seconds,
        }

    def measure(self, utterance: Utterance) -> Measurement:
        if self._identifier is None:
            raise NotMeasured("no dialect identifier is configured; [dialect] checkpoint names one")
        try:
            heard = judge(self._identifier, utterance.at(SAMPLE_RATE), utterance.dialect, self._settings)
        except NotJudged as why:
            raise NotMeasured(str(why)) from None
        values = {
            "dialect_accuracy": float(heard.dialect == utterance.dialect),
            "dialect_probability": heard.expected_probability,
        }
        notes = {}
        if utterance.dialect == MANDARIN:
            notes["mandarin_share"] = "Mandarin is the dialect"
        elif MANDARIN not in self._identifier.labels:
            notes["mandarin_share"] = f"{self._identifier.name} does not know Mandarin"
        else:
            values["mandarin_share"] = heard.share(MANDARIN)
        spans = [asdict(span) for span in heard.spans]
        return Measurement(values, {}, {"dialect_heard": heard.dialect, "dialect_spans": spans}, notes)
