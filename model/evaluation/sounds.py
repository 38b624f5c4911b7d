"""Rows of a validation set as utterances that metrics judge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from model.evaluation.utterance import Utterance
from model.validation.texts import Text
from pipeline.audio import clips
from pipeline.corpus.excerpts import segment_samples
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row


class Sounds:
    """Rows of the validation set as utterances; a reference is decoded once. `details` gathers those of tones."""

    def __init__(self, lake: Lake, dialect: str, spoken: Sequence[Row]) -> None:
        self.dialect = dialect
        self.details: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        names = {row["reference_segment_id"] for row in spoken if row["reference_segment_id"]}
        self.references = segment_samples(lake, names)
        self.recordings = {(row["utterance_id"], row["model_id"]): row["reference_recording_id"] for row in spoken}

    def utterances(self, rows: Iterable[Row]) -> list[Utterance]:
        """Those that were spoken."""
        return [self._utterance(row) for row in rows if row["audio"] is not None]

    def _utterance(self, row: Row) -> Utterance:
        samples, rate = clips.decode_bytes(row["audio"]["bytes"])
        reference = self.references.get(row["reference_segment_id"])
        text = Text(row["prompt_id"] or "", row["category"] or "", row["text"], row["readings"])
        facts = {
            "stop_reason": row["stop_reason"],
            "rtf": row["real_time_factor"],
            "first_audio_s": row["first_audio_s"],
        }
        return Utterance(
            row["utterance_id"],
            self.dialect,
            text.heard,
            samples,
            rate,
            row["model_id"],
            readings=tuple(text.readings.split()) if text.readings else None,
            reference=None if reference is None else reference[0],
            reference_rate=0 if reference is None else reference[1],
            speaker_id=row["reference_speaker_id"] or "",
            facts={key: value for key, value in facts.items() if value is not None},
        )
