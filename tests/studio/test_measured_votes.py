"""The vote's figures in a demo's summary are of the stretches that were kept, against all that was said in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.tables import span_id
from studio.truth import Character, Truth
from studio.votes import measure_votes

SAID = "今天天气好"
SOURCE = "cmn/scenes/a.wav"
BASE = {"recording_id": "r", "batch": "b00001", "provenance": "p"}


def _lake(folder: Path, confidence: list[float] | None) -> Lake:
    lake = Lake(folder)
    lake.write("recordings", "b00001", [BASE | {"source": SOURCE, "dialect": "cmn", "status": "ok"}])
    spans = {name: BASE | {"start": start, "end": start + 5.0} for name, start in (("kept", 0.0), ("lost", 10.0))}
    for row in spans.values():
        row |= {"transcript_id": span_id("r", row["start"], row["end"]), "turn_id": "t", "decision": "keep"}
    heard = [
        spans["kept"] | {"recognizer": "one", "text": "今天天气好"},
        spans["kept"] | {"recognizer": "two", "text": "今天天汽"},
        spans["lost"] | {"recognizer": "one", "text": "谢谢"},
    ]
    lake.write("hypotheses", "b00001", heard)
    voted = {"text": "今天天气号。", "text_source": "recognised", "character_confidence": confidence}
    dropped = {"text": "谢谢", "text_source": "recognised", "decision": "drop"}
    corrected = {"transcript_id": span_id("r", 20.0, 25.0), "text": "别的", "text_source": "corrected"}
    lake.write("transcripts", "b00001", [spans["kept"] | voted, spans["lost"] | dropped, spans["kept"] | corrected])
    return lake


TRUTHS = {SOURCE: Truth(SOURCE, tuple(Character(one, "A", n, n + 0.5) for n, one in enumerate(SAID)), ())}


def test_each_recogniser_and_the_vote_are_held_against_what_was_said(tmp_path: Path):
    figures = measure_votes(_lake(tmp_path, [0.9, 0.9, 0.9, 0.9, 0.4]), TRUTHS)
    assert figures["hypotheses"] == 2
    assert figures["recogniser_cer"] == {"one": 0.0, "two": 0.4}
    assert figures["vote_cer"] == 0.2
    # Four right characters at 0.9 and a wrong one at 0.4.
    assert figures["calibration_error"] == pytest.approx((4 * 0.1 + 0.4) / 5)


def test_what_is_uncalibrated_has_no_calibration_error(tmp_path: Path):
    assert measure_votes(_lake(tmp_path, None), TRUTHS)["calibration_error"] is None
