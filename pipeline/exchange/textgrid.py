"""Praat's .TextGrid, long and short form, by praatio."""

from __future__ import annotations

from typing import Any

from pipeline.exchange.given import Transcript, TranscriptError
from pipeline.exchange.tiers import Annotation, Tier, lines_of
from pipeline.settings import GivenText


def read(text: str, settings: GivenText) -> Transcript:
    """The intervals and points of its tiers, those without text too; a point starts and ends at its time."""
    from praatio.utilities import textgrid_io

    if "ooTextFile" not in text[:200] or "TextGrid" not in text[:200]:
        raise TranscriptError("does not begin as a TextGrid; save it from Praat again (as text, not as binary file)")
    try:
        grid: dict[str, Any] = textgrid_io.parseTextgridStr(text, includeEmptyIntervals=True)
        tiers = [_tier(found) for found in grid["tiers"]]
    except Exception as error:
        # praatio raises whatever the damage leads to: IndexError, AttributeError, its own ParsingError.
        words = f"is not read as a TextGrid: {type(error).__name__}: {error}; save it from Praat again"
        raise TranscriptError(words) from None
    lines, notes = lines_of(tiers, settings.tiers)
    return Transcript(lines, tuple(notes))


def _tier(found: dict[str, Any]) -> Tier:
    annotations = []
    for entry in found["entries"]:
        start = float(entry[0])
        end = float(entry[1]) if found["class"] == "IntervalTier" else start
        annotations.append(Annotation(start, end, str(entry[-1]).replace('""', '"')))
    return Tier(found["name"], annotations)
