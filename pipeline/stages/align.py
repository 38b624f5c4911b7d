"""When each character is heard: the kept transcripts romanised and aligned on their turn's sound, bad fits refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelUnavailable
from pipeline.lake.rows import Row
from pipeline.recognition import alignment, checkpoints
from pipeline.recognition.alignment import Aligner, AlignmentError, CharacterSpan, GateBounds
from pipeline.recognition.resources import resources
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, Stage, StageResult
from pipeline.text.romanize import Token, romanize
from pipeline.turn_audio import read_turns

UNREAD = "?"
"""Stands in `romanization` for a character whose reading is not known, so that readings and characters stay in step."""

_KEY = "[align] checkpoint"


class Align(Stage):
    """Character times of each kept transcript; what the gate refuses stays in the table as dropped, with the reason.

    The original is heard, not the denoised turn: RNNoise softens the onsets that boundaries are found by.
    """

    name = "align"
    version = "3"
    reads = ("transcripts",)
    writes = "alignments"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.align
        self._bounds = GateBounds(
            min_score=self._settings.min_score,
            max_rate=self._settings.max_characters_per_second,
            min_coverage=self._settings.min_coverage,
            longest_character=self._settings.max_character_seconds,
        )
        self._aligner: Aligner | None = None
        self.resources = resources(self._settings.checkpoint, self._settings.device, memory_gb=1.5)

    def parameters(self) -> dict[str, Any]:
        """What shapes the alignments: the settings but for the device, and the checkpoint's content."""
        return self._settings.model_dump(exclude={"device", "checkpoint"}) | {
            "checkpoint": checkpoints.fingerprint(self._settings.checkpoint)
        }

    def load(self) -> None:
        """Bring the aligner up on its device. Raises ModelUnavailable."""
        name = checkpoints.locate(self._settings.checkpoint, _KEY, alignment.KNOWN)
        import torch

        device = self._settings.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._aligner = alignment.load_aligner(name, device)
        except Exception as error:
            raise ModelUnavailable(f"{_KEY} = {self._settings.checkpoint!r} does not load: {error}") from error

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        """One row per kept transcript, in order of start."""
        kept = [row for row in rows["transcripts"] if row["decision"] == "keep"]
        result = StageResult()
        passed, dropped = 0.0, defaultdict[str, float](float)
        for transcript, samples in read_turns(recording, kept, (), alignment.SAMPLE_RATE):
            row = self._aligned(transcript, samples, recording.dialect)
            result.rows.append(row)
            seconds = transcript["covered_seconds"]
            if row["decision"] == "keep":
                passed += seconds
            else:
                dropped[row["drop_reason"]] += seconds
        if passed:
            result.ledger.append(LedgerEntry("passed", passed))
        result.ledger += [LedgerEntry("dropped", seconds, reason) for reason, seconds in sorted(dropped.items())]
        return result

    def _aligned(self, transcript: Row, samples: NDArray[np.float32], dialect: str) -> Row:
        """The row of one transcript; `samples` (T,) at 16 kHz are what is heard from its start to its end."""
        tokens = romanize(transcript["text"], dialect)
        try:
            spans, reason = self._lay(tokens, samples)
        except AlignmentError:
            spans, reason = [], "align_impossible"
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

    def _lay(self, tokens: Sequence[Token], samples: NDArray[np.float32]) -> tuple[list[CharacterSpan], str | None]:
        """Spans in seconds of `samples` and the gate's reason to refuse them. Raises AlignmentError."""
        assert self._aligner is not None, "load() comes before process()"
        if not tokens:
            return [], alignment.gate([], 0.0)
        duration = len(samples) / alignment.SAMPLE_RATE
        log_probs, frame_seconds = self._aligner.emissions(samples)
        spans = alignment.align_emissions(self._aligner, log_probs, frame_seconds, tokens, duration)
        # Only a model that labels every frame says where speech is; else the whole stretch has to be accounted for.
        speech = alignment.speech_seconds(log_probs, frame_seconds) if self._aligner.bridge == 0 else None
        return spans, alignment.gate(spans, duration, speech, self._bounds)
