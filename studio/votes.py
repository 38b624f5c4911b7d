"""Measures the vote in a lake against the truth: error rates of recognisers and vote, and what confidence is worth.

Of the studio's synthesized speech; it says nothing about real voices.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.recognition.calibrating import tokens_said
from pipeline.recognition.calibration import expected_calibration_error
from pipeline.recognition.vote import align
from pipeline.text.normalize import normalizer
from studio.truth import Truth


def measure_votes(lake: Lake, truths: Mapping[str, Truth]) -> dict[str, Any]:
    """Figures over the recognised stretches that were kept.

    `hypotheses` counts them by recogniser and stretch, `recogniser_cer` and `vote_cer` compare with all that was said
    while the stretch lasts, `calibration_error` is the expected calibration error of the characters, None where no
    dialect is calibrated.
    """
    recordings = {row["recording_id"]: row for row in lake.rows("recordings") if row["source"] in truths}
    kept = {
        row["transcript_id"]: row
        for row in lake.rows("transcripts")
        if row["recording_id"] in recordings and row["decision"] == "keep" and row["text_source"] == "recognised"
    }
    heard: dict[str, list[Row]] = defaultdict(list)
    count = 0
    for row in lake.rows("hypotheses"):
        if row["recognizer"] is not None and row["transcript_id"] in kept:
            heard[row["recognizer"]].append(row)
            count += 1

    def rate(rows: list[Row]) -> float:
        edits = characters = 0
        for row in rows:
            about = recordings[row["recording_id"]]
            said = _said(truths[about["source"]], row)
            found = normalizer(about["dialect"]).errors(said, row["text"])
            edits, characters = edits + found[0], characters + found[1]
        return edits / characters if characters else math.nan

    return {
        "hypotheses": count,
        "recogniser_cer": {name: rate(rows) for name, rows in heard.items()},
        "vote_cer": rate(list(kept.values())),
        "calibration_error": _calibration_error(list(kept.values()), recordings, truths),
    }


def _calibration_error(rows: list[Row], recordings: Mapping[str, Row], truths: Mapping[str, Truth]) -> float | None:
    sure: list[float] = []
    right: list[float] = []
    for row in rows:
        about = recordings[row["recording_id"]]
        own = tokens_said(row["text"], about["dialect"])
        confidences = row["character_confidence"] or []
        if len(confidences) != len(own):
            continue
        known = iter(confidences)
        for token, true in align([own, tokens_said(_said(truths[about["source"]], row), about["dialect"])]):
            if token is not None:
                sure.append(next(known))
                right.append(float(true is not None and true.text == token.text))
    return expected_calibration_error(sure, right) if sure else None


def _said(truth: Truth, row: Row) -> str:
    """Everything that was said while a stretch lasts, in order."""
    return "".join(item.char for item in truth.characters if row["start"] <= item.middle <= row["end"])
