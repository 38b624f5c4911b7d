"""Segments of the corpus as utterances, with their known characters: what references, centroids and paces come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from model.evaluation.utterance import Span, Utterance
from pipeline.audio.clips import decode_bytes

_UNREAD = "?"


def from_segment(row: Mapping[str, Any]) -> Utterance:
    """A row of table `segments` with its audio. Times become those of the clip.

    Raises ValueError if the row has no audio or its readings and characters are out of step.
    """
    segment_id = row["segment_id"]
    if row["audio"] is None:
        raise ValueError(f"segment {segment_id} has no audio: dropped segments cannot be learned from")
    readings = row["romanization"].split(" ") if row["romanization"] else []
    characters = row["characters"]
    if len(readings) != len(characters):
        raise ValueError(f"segment {segment_id} has {len(readings)} readings for {len(characters)} characters")
    samples, rate = decode_bytes(row["audio"]["bytes"])
    spans = tuple(
        Span(one["char"], "" if reading == _UNREAD else reading, one["start"] - row["start"], one["end"] - row["start"])
        for one, reading in zip(characters, readings, strict=True)
    )
    return Utterance(
        segment_id,
        row["dialect"],
        row["text"],
        samples,
        rate,
        readings=tuple(span.reading for span in spans),
        spans=spans,
        speaker_id=row.get("speaker_id") or "",
    )


def paces(utterances: Iterable[Utterance]) -> dict[str, float]:
    """Characters a second by dialect, pauses inside the segments included."""
    said: dict[str, tuple[int, float]] = {}
    for utterance in utterances:
        if utterance.spans:
            characters, seconds = said.get(utterance.dialect, (0, 0.0))
            said[utterance.dialect] = characters + len(utterance.spans), seconds + utterance.seconds
    return {dialect: characters / seconds for dialect, (characters, seconds) in said.items()}
