"""Segments as annotations that people edit in ELAN, Praat or Label Studio, and how an edited one says what it was."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.exchange.exports import Clip
from pipeline.exchange.lists import one_line

TEXT, LABEL = "text", "segment"
NOTES = ("romanization", "gloss", "ipa", "place")
"""Further tiers, where anything is known; `ipa` and the others are read back as they are named here."""
_MOMENT = "%Y%m%dT%H%M%S.%fZ"
_LABEL = re.compile(r"(\S+)-(\d{9,})-(\d{9,}) (\S+) ([0-9a-f]{8}) ([0-9a-f]{8})")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Written:
    """One annotation as it is written: seconds of the recording; `label` goes along and stays as it is."""

    start: float
    end: float
    text: str
    speaker: str
    label: str
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Label:
    """What an annotation was when it was written: its span in seconds, when (None: of no moment), its words' hashes."""

    recording_id: str
    start: float
    end: float
    at: datetime | None
    text: str
    speaker: str

    def had_text(self, text: str) -> bool:
        return self.text == _hash(text)

    def had_speaker(self, speaker: str) -> bool:
        return self.speaker == _hash(speaker)


def label_of(segment_id: str, text: str, speaker: str, at: datetime | None = None) -> str:
    """The label of a segment that is written now (`at`) with this text and speaker."""
    moment = at.astimezone(UTC).strftime(_MOMENT) if at else "-"
    return f"{segment_id} {moment} {_hash(text)} {_hash(speaker)}"


def read_label(text: str | None, start: float, end: float) -> Label | None:
    """The label in a text; of several, as where annotations were joined, the one nearest to a span. None: none."""
    found = [label for match in _LABEL.finditer(text or "") if (label := _label(match)) is not None]
    return max(found, key=lambda one: min(end, one.end) - max(start, one.start), default=None)


def _label(match: re.Match[str]) -> Label | None:
    try:
        at = None if match[4] == "-" else datetime.strptime(match[4], _MOMENT).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Label(match[1], int(match[2]) / 1000, int(match[3]) / 1000, at, match[5], match[6])


def of_clips(clips: Sequence[Clip]) -> list[Written]:
    """Clips of one recording as annotations without a moment."""
    return [
        written(clip.segment_id, clip.start, clip.end, clip.text, clip.speaker, {n: clip.extra.get(n) for n in NOTES})
        for clip in clips
    ]


def written(
    segment_id: str,
    start: float,
    end: float,
    text: str,
    speaker: str,
    notes: dict[str, str | None],
    at: datetime | None = None,
) -> Written:
    """A segment as an annotation; what no file can hold is left out of its texts."""
    text, speaker = plain(text), plain(speaker)
    told = tuple((name, plain(value)) for name, value in notes.items() if value and plain(value))
    return Written(start, end, text, speaker, label_of(segment_id, text, speaker, at), told)


def plain(text: str) -> str:
    """A text in one line, without characters that XML does not know."""
    return one_line(_UNPRINTABLE.sub("", text)).strip()


def tiers_of(lines: Sequence[Written]) -> list[tuple[str, int, list[Written]]]:
    """(speaker, number, annotations that do not overlap): more than one of a speaker where some do."""
    found: dict[str, list[list[Written]]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: (line.start, line.end)):
        tiers = found[line.speaker]
        free = next((tier for tier in tiers if round(tier[-1].end, 3) <= round(line.start, 3)), None)
        if free is None:
            free = []
            tiers.append(free)
        free.append(line)
    return [(name, number, tier) for name in sorted(found) for number, tier in enumerate(found[name], 1)]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
