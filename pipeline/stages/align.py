"""When each character is heard: the kept transcripts romanised and aligned on their turn's sound, bad fits refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.corrections.text_rows import BY_PEOPLE, REPLACED, outside
from pipeline.lake.rows import Row
from pipeline.recognition import aligners, alignment, checkpoints
from pipeline.recognition.alignment import AlignmentError, CharacterSpan, TextAligner
from pipeline.recognition.alignment_gate import gate
from pipeline.recognition.resources import resources
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, Stage, StageResult
from pipeline.text.romanize import Token, romanize
from pipeline.turn_audio import read_turns

_DOUBTS = {"align_score", "align_coverage", "align_rate", "align_long_character"}
"""Reasons that a person who listened overrules; those left say that there are no times to go by."""
UNREAD = "?"
"""Stands in `romanization` for a character whose reading is not known, so that readings and characters stay in step."""


class Align(Stage):
    """Character times of each kept transcript; what the gate refuses stays in the table as dropped, with the reason.

    The original is heard, not the denoised turn: RNNoise softens the onsets that boundaries are found by.
    """

    name = "align"
    version = "5"
    reads = ("transcripts",)
    corrected = ("text", "source", "unintelligible", "dialect")
    writes = "alignments"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.align
        self._aligner: TextAligner | None = None
        self.resources = resources(self._settings.checkpoint, self._settings.device, memory_gb=1.5)

    def parameters(self) -> dict[str, Any]:
        """What shapes the alignments: the settings but for the device, and the checkpoint's content with its bounds."""
        return self._settings.model_dump(exclude={"device", "checkpoint"}) | {
            "checkpoint": checkpoints.fingerprint(self._settings.checkpoint)
        }

    def load(self) -> None:
        """Bring the aligner up on its device. Raises ModelUnavailable."""
        self._aligner = aligners.open_aligner(self._settings)

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        """One row per kept transcript, in order of start; one that a corrected text lies over has the rest alone, in
        one row for each part of it."""
        kept = [row for row in rows["transcripts"] if row["decision"] == "keep"]
        written = [span for span in recording.corrected if span.has_text]
        dialect_of = {span.span_id(recording.recording_id): span.dialect for span in written}
        result = StageResult()
        passed, dropped = 0.0, defaultdict[str, float](float)
        for transcript, samples in read_turns(recording, kept, (), alignment.SAMPLE_RATE):
            by_person = transcript.get("text_source") in BY_PEOPLE
            dialect = dialect_of.get(transcript["transcript_id"]) if by_person else None
            row = self._aligned(transcript, samples, dialect or recording.dialect, by_person)
            parts = [row] if by_person or row["decision"] == "drop" else outside(row, written)
            result.rows += parts
            seconds = transcript["covered_seconds"]
            if row["decision"] == "drop":
                dropped[row["drop_reason"]] += seconds
            elif parts:
                passed += seconds
            else:
                dropped[REPLACED] += seconds
        result.rows.sort(key=lambda row: (row["start"], row["end"]))
        if passed:
            result.ledger.append(LedgerEntry("passed", passed))
        result.ledger += [LedgerEntry("dropped", seconds, reason) for reason, seconds in sorted(dropped.items())]
        return result

    def _aligned(self, transcript: Row, samples: NDArray[np.float32], dialect: str, by_person: bool = False) -> Row:
        """The row of one transcript; `samples` (T,) at 16 kHz are what is heard from its start to its end.

        What a person wrote who heard it is not refused for its score.
        """
        tokens = romanize(transcript["text"], dialect)
        try:
            spans, reason = self._lay(tokens, samples, dialect)
        except AlignmentError:
            spans, reason = [], "align_impossible"
        if by_person and reason in _DOUBTS:
            reason = None
        begin, end = transcript["start"], transcript["end"]
        return {
            "transcript_id": transcript["transcript_id"],
            "turn_id": transcript["turn_id"],
            "recording_id": transcript["recording_id"],
            "start": begin,
            "end": end,
            "covered_seconds": transcript["covered_seconds"],
            "text": transcript["text"],
            "romanization": " ".join(token.reading or UNREAD for token in tokens),
            "characters": [
                {"char": span.char, "start": begin + span.start, "end": min(begin + span.end, end), "score": span.score}
                for span in spans
            ],
            "align_score": float(np.mean([span.score for span in spans])) if spans else None,
            "decision": "drop" if reason else "keep",
            "drop_reason": reason,
        }

    def _lay(
        self, tokens: Sequence[Token], samples: NDArray[np.float32], dialect: str
    ) -> tuple[list[CharacterSpan], str | None]:
        """Spans in seconds of `samples` and the gate's reason to refuse them. Raises AlignmentError."""
        assert self._aligner is not None, "load() comes before process()"
        if not tokens:
            return [], gate([], 0.0)
        laid = self._aligner.lay(samples, tokens, dialect)
        duration = len(samples) / alignment.SAMPLE_RATE
        return laid.spans, gate(laid.spans, duration, laid.speech, aligners.bounds_of(self._settings, dialect))
