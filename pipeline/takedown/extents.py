"""What goes of each recording, and whether a row, a line or a name comes from it. Knows columns by name, not tables.

Any column `recording_id` or `<x>_recording_id`, lists `recording_ids`, and ids of spans (`<recording_id>-<ms>-<ms>`)
count, so a table that is added later is covered without being listed here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline.lake.rows import Row

SPAN_IDS = ("segment_id", "turn_id", "transcript_id")
_SPAN = re.compile(r"(.+)-(\d{9,})-(\d{9,})", re.DOTALL)
_SLACK_SECONDS = 1e-3
# Rows about a file as a whole: they stay while anything of the recording does.
_ABOUT_FILES = ("recordings", "ledger", "quarantine")


@dataclass(frozen=True)
class WithdrawalExtent:
    """What goes of one recording: all of it, or the `spans` (seconds) in which a withdrawn local speaker speaks."""

    recording_id: str
    sources: tuple[str, ...] = ()
    whole: bool = True
    audio_sha256: str | None = None
    file_sha256s: tuple[str, ...] = ()
    seconds: float = 0.0
    local_speakers: tuple[str, ...] = ()
    spans: tuple[tuple[float, float], ...] = ()

    def reaches(self, start: float, end: float) -> bool:
        """True if any withdrawn span reaches into this one by more than a millisecond."""
        return any(start < until - _SLACK_SECONDS and end > since + _SLACK_SECONDS for since, until in self.spans)


@dataclass(frozen=True)
class Withdrawal:
    """All extents of one takedown, and the models that learned from them."""

    extents: Mapping[str, WithdrawalExtent]
    tainted: frozenset[str] = frozenset()

    def of_row(self, table: str, row: Row, has_audio: bool = False) -> str | None:
        """The recording because of which this row must go, None if it may stay."""
        for name, value in row.items():
            if name.endswith("recording_id") and value in self.extents:
                if self._goes(table, row, name.removesuffix("recording_id"), self.extents[value]):
                    return str(value)
            elif name.endswith("recording_ids"):
                found = next((one for one in value or () if one in self.extents), None)
                if found:
                    return found
            elif name.endswith("segment_id") and f"{name.removesuffix('segment_id')}recording_id" not in row:
                extent, span = self._span(value)
                if extent is not None and (extent.whole or extent.reaches(*span)):
                    return extent.recording_id
        if has_audio and row.get("model_id") in self.tainted:
            return str(row["model_id"])
        return None

    def in_text(self, text: str) -> bool:
        """True if a line or file name holds the id of something withdrawn; an id without a span means the whole."""
        for found in self._pattern.finditer(text) if self.extents else ():
            extent = self.extents[found[1]]
            if extent.whole or found[2] is None or extent.reaches(int(found[2]) / 1000, int(found[3]) / 1000):
                return True
        return False

    def in_line(self, line: str) -> bool:
        """Like in_text for one record: beside the id of a span, the id of its recording says no more."""
        found = list(self._pattern.finditer(line)) if self.extents else []
        spanned = {one[1] for one in found if one[2] is not None}
        return any(self.in_text(one[0]) for one in found if one[2] is not None or one[1] not in spanned)

    def in_part(self, recording_id: Any) -> bool:
        extent = self.extents.get(recording_id)
        return extent is not None and not extent.whole

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        ids = "|".join(re.escape(name) for name in sorted(self.extents, key=len, reverse=True))
        return re.compile(rf"(?<![0-9A-Za-z])({ids})(?![0-9A-Za-z])(?:-(\d{{9,}})-(\d{{9,}}))?")

    def _goes(self, table: str, row: Row, prefix: str, extent: WithdrawalExtent) -> bool:
        if extent.whole:
            return True
        spans = [span for one in SPAN_IDS for found, span in [self._span(row.get(prefix + one))] if found is extent]
        label = None if prefix else row.get("local_speaker")
        if not prefix and row.get("start") is not None and row.get("end") is not None:
            spans.append((row["start"], row["end"]))
        if label in extent.local_speakers or any(extent.reaches(*span) for span in spans):
            return True
        return not spans and label is None and table not in _ABOUT_FILES

    def _span(self, value: Any) -> tuple[WithdrawalExtent | None, tuple[float, float]]:
        parsed = _SPAN.fullmatch(value) if isinstance(value, str) else None
        if parsed is None:
            return None, (0.0, 0.0)
        return self.extents.get(parsed[1]), (int(parsed[2]) / 1000, int(parsed[3]) / 1000)
