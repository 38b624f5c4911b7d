"""Annotations that people edited in another tool, told from what was written for them: what they corrected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.corrections.correction import Correction, correction
from pipeline.exchange.annotations import Label, plain
from pipeline.lake.rows import Row

_MOVED_SECONDS = 1.5e-3
"""A boundary farther from where it was was moved: tools count in milliseconds."""
_SAME_SPAN = 0.6


@dataclass(frozen=True)
class Edited:
    """An annotation as it came back, seconds of the recording; `said` are further fields and their new values."""

    recording_id: str
    start: float
    end: float
    text: str
    speaker: str | None = None
    label: Label | None = None
    said: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Proposal:
    """What one annotation comes to, and which corrections its editor had before them (all until `until`)."""

    rows: tuple[Correction, ...]
    until: datetime | None


def proposals(
    edited: Iterable[Edited],
    segments: Mapping[str, Row],
    standing: Mapping[str, Sequence[Correction]],
    who: str,
    why: str | None = None,
) -> list[Proposal]:
    """Corrections for each annotation that is not as it was written, in order.

    `segments` are those of now by id, for the old values; `standing` the corrections by recording: what is there
    already is not said again. An annotation without a label is new, and so is the second one with a label that stands
    twice (a tool copied it when a person split the annotation).
    """
    claimed: set[tuple[str, float, float]] = set()
    found = []
    for one in edited:
        label = one.label
        if label is not None:
            key = (label.recording_id, label.start, label.end)
            label = None if key in claimed or label.recording_id != one.recording_id else label
            claimed.add(key)
        at = (one.start, one.end) if label is None else (label.start, label.end)
        row = _segment(segments, one.recording_id, *at)
        # As it is now to the last digit, where it is still there: labels count in milliseconds.
        at = (row["start"], row["end"]) if row is not None else at
        values = [*_new(one, row)] if label is None else [*_changed(one, label, at, row)]
        known = [row for row in standing.get(one.recording_id, ()) if row.start < at[1] and row.end > at[0]]
        rows = tuple(
            correction(who, one.recording_id, *place, name, old, new, why=why)
            for name, old, new, place in values
            if not any(_says(row, name, new, place) for row in known)
        )
        if rows:
            found.append(Proposal(rows, label.at if label else None))
    return found


def missing(
    edited: Iterable[Edited], segments: Iterable[Row], who: str, why: str | None = None
) -> dict[str, list[Correction]]:
    """By recording the corrections that drop kept segments which no annotation of their recording reaches any more."""
    reached: dict[str, list[Edited]] = defaultdict(list)
    for one in edited:
        reached[one.recording_id].append(one)
    found: dict[str, list[Correction]] = defaultdict(list)
    for row in segments:
        own = reached.get(row["recording_id"])
        if own is None or row["decision"] != "keep":
            continue
        middle = (row["start"] + row["end"]) / 2
        if not any(one.start <= middle < one.end for one in own):
            span = row["recording_id"], row["start"], row["end"]
            found[row["recording_id"]].append(correction(who, *span, "keep", "keep", "drop", why=why))
    return found


_Value = tuple[str, str | None, str, tuple[float, float]]


def _new(one: Edited, row: Row | None) -> Iterable[_Value]:
    """What is said of a stretch that was no annotation before."""
    at = (one.start, one.end)
    yield from _text(one.text, _now(row, "text"), at)
    if one.speaker and one.speaker != _now(row, "speaker"):
        yield "speaker", _now(row, "speaker"), one.speaker, at
    yield from ((name, _now(row, name), value, at) for name, value in one.said.items())


def _changed(one: Edited, label: Label, at: tuple[float, float], row: Row | None) -> Iterable[_Value]:
    moved = [
        ("start", label.start, one.start) if abs(one.start - label.start) > _MOVED_SECONDS else None,
        ("end", label.end, one.end) if abs(one.end - label.end) > _MOVED_SECONDS else None,
    ]
    edges = [each for each in moved if each is not None]
    shared = min(one.end, label.end) - max(one.start, label.start)
    if edges and shared < _SAME_SPAN * max(one.end - one.start, label.end - label.start):
        # Another stretch than the one it was: nothing of the old one is said.
        yield from _text(one.text, _now(row, "text"), (one.start, one.end))
        if one.speaker:
            yield "speaker", _now(row, "speaker"), one.speaker, (one.start, one.end)
        return
    for name, old, new in edges:
        yield name, f"{old:.3f}", f"{new:.3f}", at
    if edges or not label.had_text(plain(one.text)):
        yield from _text(one.text, _now(row, "text"), at)
    if one.speaker and not label.had_speaker(plain(one.speaker)):
        yield "speaker", _now(row, "speaker"), one.speaker, at
    yield from ((name, _now(row, name), value, at) for name, value in one.said.items())


def _text(text: str, old: str | None, at: tuple[float, float]) -> Iterable[_Value]:
    if plain(text):
        yield "text", old, plain(text), at
    else:
        yield "unintelligible", None, "true", at


def _says(row: Correction, name: str, new: str, at: tuple[float, float]) -> bool:
    """Whether a correction that stands says this already."""
    near = abs(row.start - at[0]) <= _MOVED_SECONDS and abs(row.end - at[1]) <= _MOVED_SECONDS
    return near and (row.field, row.new) == (name, new)


def _now(row: Row | None, name: str) -> str | None:
    return None if row is None else row.get(name)


def _segment(segments: Mapping[str, Row], recording_id: str, start: float, end: float) -> Row | None:
    return segments.get(f"{recording_id}-{round(start * 1000):09d}-{round(end * 1000):09d}")
