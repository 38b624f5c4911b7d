"""Which dialect is heard in each kept segment, and where it changes. The folder's name stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.audio import clips
from pipeline.lake.rows import Row
from pipeline.recognition import dialect_identifier
from pipeline.recognition.dialect_identifier import SAMPLE_RATE, Heard, Identifier, NotJudged
from pipeline.recognition.resources import resources
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, Resources, Stage, StageResult

MISMATCH = "dialect_mismatch"
CHANGE = "dialect_changes"
_FROM_SEGMENT = ("segment_id", "recording_id", "start", "end", "covered_seconds")
NONE_CONFIGURED = "no identifier is configured; [dialect] checkpoint names one"


class Identify(Stage):
    """Judges the sound of kept segments. A segment that is heard as another dialect gets a reason to be reviewed."""

    name = "identify"
    version = "1"
    reads = ("segments",)
    writes = "segment_dialects"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.dialect
        self._identifier: Identifier | None = None
        chosen = self._settings.checkpoint
        self.resources = resources(chosen, self._settings.device, memory_gb=1.5) if chosen else Resources()

    def parameters(self) -> dict[str, Any]:
        """The settings but for the device, and the checkpoint's content."""
        return dialect_identifier.facts(self._settings)

    def load(self) -> None:
        """Bring the identifier up, if one is configured. Raises ModelUnavailable."""
        if self._settings.checkpoint:
            self._identifier = dialect_identifier.open_identifier(self._settings)

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        """One row per kept segment, in order of start; all seconds are passed on."""
        kept = sorted((row for row in rows["segments"] if row["decision"] == "keep"), key=lambda row: row["start"])
        result = StageResult([self._row(recording, row) for row in kept])
        if seconds := sum(row["covered_seconds"] for row in kept):
            result.ledger.append(LedgerEntry("passed", seconds))
        return result

    def _row(self, recording: Recording, segment: Row) -> Row:
        row = {name: segment[name] for name in _FROM_SEGMENT}
        row["dialect"] = segment.get("dialect") or recording.dialect
        try:
            return row | self._heard(row["dialect"], segment)
        except NotJudged as why:
            return row | {"not_judged": str(why)}

    def _heard(self, dialect: str, segment: Row) -> Row:
        if self._identifier is None:
            raise NotJudged(NONE_CONFIGURED)
        if why := dialect_identifier.doubt(self._identifier, dialect):
            raise NotJudged(why)
        samples, _ = clips.decode_bytes(segment["audio"]["bytes"], SAMPLE_RATE)
        heard = dialect_identifier.judge(self._identifier, samples, dialect, self._settings)
        begin = segment["start"]
        spans = [
            {"start": begin + one.start, "end": begin + one.end, "dialect": one.dialect, "probability": one.probability}
            for one in heard.spans
        ]
        return {
            "dialect_heard": heard.dialect,
            "dialect_probability": heard.probability,
            "expected_probability": heard.expected_probability,
            "dialect_spans": spans,
            "review_reason": _review_reason(heard, dialect, self._settings.min_probability),
        }


def _review_reason(heard: Heard, dialect: str, min_probability: float) -> str | None:
    if heard.dialect != dialect and heard.probability >= min_probability:
        return MISMATCH
    turned = any(span.dialect != dialect and span.probability >= min_probability for span in heard.spans)
    return CHANGE if turned else None
