"""What was said: of what the recognisers heard in each chunk one text, behind the bounds of asr_filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from pipeline.lake.rows import Row
from pipeline.recognition import asr_filters
from pipeline.recognition.given_rows import transcript_of
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, Resources, Stage, StageResult


class Transcribe(Stage):
    """One row per chunk; dropped chunks stay as rows with their reason. No model is asked here, so that a bound may be
    changed without recognising again."""

    name = "transcribe"
    version = "3"
    reads = ("hypotheses",)
    about = ("given",)
    writes = "transcripts"
    resources = Resources(cpus=1.0, memory_gb=1.0)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.transcribe

    def parameters(self) -> dict[str, Any]:
        """The bounds; what shapes the hypotheses is in their provenance."""
        heard = {"checkpoint", "device", "compute_type", "beam_size", "recognizers", "batch_size", "join_gap_seconds"}
        return self._settings.model_dump(exclude=heard)

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        """One row per chunk, in order of start; what was dropped before it was heard keeps its reason."""
        found: list[Row] = []
        passed, dropped = 0.0, dict[str, float]()
        ordered = sorted(rows["hypotheses"], key=lambda row: (row["start"], row["end"]))
        for _, group in groupby(ordered, key=lambda row: row["transcript_id"]):
            heard = list(group)
            row = self._decided(heard, recording)
            found.append(row)
            if row["decision"] == "keep":
                passed += row["covered_seconds"]
            elif heard[0]["decision"] == "keep":
                dropped[row["drop_reason"]] = dropped.get(row["drop_reason"], 0.0) + row["covered_seconds"]
        entries = [LedgerEntry("passed", passed)]
        entries += [LedgerEntry("dropped", seconds, reason) for reason, seconds in sorted(dropped.items())]
        return StageResult(found, [entry for entry in entries if entry.seconds > 0])

    def _decided(self, heard: Sequence[Row], recording: Recording) -> Row:
        """The row of a chunk from what each recogniser heard in it; text that was given stays as it is."""
        given = next((one for one in heard if one.get("given_line") is not None), None)
        others = [one for one in heard if one is not given]
        first = given or heard[0]
        row = {key: value for key, value in first.items() if key not in ("batch", "provenance", "recognizer")}
        row["covered_seconds"] = sum(one["covered_seconds"] for one in heard)
        row["text_source"] = "recognised"
        if given is not None:
            most = self._settings.max_disagreement
            return row | transcript_of(given, others, recording.given, recording.dialect, most)
        if first["decision"] == "drop":
            return row
        reason = asr_filters.drop_reason(first, self._settings)
        return row | {"decision": "drop" if reason else "keep", "drop_reason": reason}
