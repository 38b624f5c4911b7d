"""Stage identify on studio speech: what is heard, not judged, to be reviewed, and every second passed on."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
import soxr

from pipeline import ledger
from pipeline.audio import clips
from pipeline.lake.rows import Row, to_table
from pipeline.lake.tables import span_id
from pipeline.settings import Settings
from pipeline.stage import Recording
from pipeline.stages.identify import CHANGE, MISMATCH, NONE_CONFIGURED, Identify
from studio import scripts, synthesis, voices

RATE = 16_000
START = 40.0


def spoken(dialect: str, seconds: float, seed: int = 0) -> np.ndarray:
    """Held-out sentences of a dialect by one held-out voice, (seconds * 16,000,)."""
    draw = random.Random(seed)
    voice = voices.voices(held_out=True)[3]
    pieces: list[np.ndarray] = []
    while sum(map(len, pieces)) < seconds * RATE:
        said = synthesis.speak(scripts.sentence(dialect, draw, held_out=True), voice, draw.randrange(2**31))
        pieces.append(soxr.resample(said.samples, said.sample_rate, RATE))
    return np.concatenate(pieces)[: int(seconds * RATE)].astype(np.float32)


def segment(samples: np.ndarray, decision: str = "keep") -> Row:
    end = START + len(samples) / RATE
    audio = {"bytes": clips.encode_flac(samples, RATE), "path": "x.flac"} if decision == "keep" else None
    return {
        "segment_id": span_id("rec", START, end),
        "recording_id": "rec",
        "start": START,
        "end": end,
        "covered_seconds": end - START - 0.2,
        "decision": decision,
        "audio": audio,
    }


def judged(dialect: str, segments: Sequence[Row], settings: Settings | None = None) -> list[Row]:
    stage = Identify(settings or Settings())
    stage.load()
    recording = Recording(f"{dialect}/a/x.flac", "x.flac", "b1", dialect, "a", "rec", 100.0, RATE)
    result = stage.process(recording, {"segments": segments})
    to_table("segment_dialects", [row | {"batch": "b1", "provenance": "p"} for row in result.rows])
    passed = sum(row["covered_seconds"] for row in segments if row["decision"] == "keep")
    assert ledger.imbalance(result.ledger, passed) < ledger.TOLERANCE_SECONDS
    return result.rows


@pytest.mark.parametrize("dialect", scripts.DIALECTS)
def test_a_dialect_of_the_studio_is_heard_as_itself(dialect: str):
    (row,) = judged(dialect, [segment(spoken(dialect, 8.0))])
    assert row["dialect_heard"] == row["dialect"] == dialect
    assert row["dialect_probability"] == pytest.approx(row["expected_probability"])
    assert row["review_reason"] is None
    assert row["dialect_spans"][0]["start"] == START
    assert row["dialect_spans"][-1]["end"] == pytest.approx(START + 8.0)


def test_what_is_heard_as_another_dialect_is_to_be_reviewed_and_keeps_its_name():
    (row,) = judged("cmn-tianjin", [segment(spoken("yue", 8.0))])
    assert (row["dialect"], row["dialect_heard"], row["review_reason"]) == ("cmn-tianjin", "yue", MISMATCH)


def test_a_speaker_who_turns_to_another_dialect_leaves_a_span():
    both = np.concatenate([spoken("yue", 15.0), spoken("cmn", 10.0, seed=5)])
    (row,) = judged("yue", [segment(both)])
    assert (row["dialect_heard"], row["review_reason"]) == ("yue", CHANGE)
    turned = next(span for span in row["dialect_spans"] if span["dialect"] != "yue")
    assert turned["start"] == pytest.approx(START + 15.0, abs=2.6)


def test_a_dialect_that_the_identifier_does_not_know_is_not_judged_and_says_why():
    (row,) = judged("wuu", [segment(spoken("cmn", 4.0))])
    assert "dialect_heard" not in row
    assert row["not_judged"].startswith("dialect-micro does not know wuu; it knows cmn, yue")


def test_less_than_a_second_is_not_judged_and_a_dropped_segment_has_no_row():
    rows = judged("cmn", [segment(spoken("cmn", 0.9)), segment(spoken("cmn", 4.0), decision="drop")])
    assert [row["not_judged"] for row in rows] == ["0.9 s is too short; 1 s is the least"]


def test_without_an_identifier_nothing_is_judged():
    settings = Settings.model_validate({"dialect": {"checkpoint": ""}})
    (row,) = judged("cmn", [segment(spoken("cmn", 4.0))], settings)
    assert row["not_judged"] == NONE_CONFIGURED


def test_a_recording_without_kept_segments_gives_no_rows():
    assert judged("cmn", []) == []
