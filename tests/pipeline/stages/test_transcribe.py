"""What was heard becomes one text a chunk, or is dropped with its reason, and the seconds add up."""

from __future__ import annotations

from typing import Any

from pipeline.lake.rows import Row
from pipeline.lake.tables import HYPOTHESES, TRANSCRIPTS, span_id
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, StageResult
from pipeline.stages.transcribe import Transcribe

RECORDING = Recording("cmn/a/x.flac", "x.flac", "b", "cmn", "a", "r", 100.0, 16_000)

TURNS = [{"turn_id": span_id("r", 0.0, 50.0), "start": 0.0, "end": 50.0, "local_speaker": "A"}]


def heard(start: float, text: str, **facts: Any) -> Row:
    row = dict.fromkeys(name for name in HYPOTHESES.names if name not in ("batch", "provenance"))
    row |= {
        "transcript_id": span_id("r", start, start + 4.0),
        "turn_id": span_id("r", 0.0, 50.0),
        "recording_id": "r",
        "start": start,
        "end": start + 4.0,
        "covered_seconds": 3.5,
        "recognizer": "first",
        "text": text,
        "language": "zh",
        "asr_avg_logprob": -0.2,
        "asr_no_speech_prob": 0.01,
        "asr_compression_ratio": 0.9,
        "decision": "keep",
    }
    return row | facts


def decided(*rows: Row, **settings: Any) -> StageResult:
    stage = Transcribe(Settings.model_validate({"transcribe": settings}))
    return stage.process(RECORDING, {"hypotheses": list(rows), "turns": TURNS})


def test_what_is_believed_is_kept_and_what_is_not_has_its_reason():
    result = decided(
        heard(0.0, "今天天气很好，我们去公园。"),
        heard(10.0, "今天天气很好，我们去公园。", asr_avg_logprob=-2.0),
        heard(20.0, "", decision="drop", drop_reason="no_speech_found", recognizer=None),
    )
    assert [row["drop_reason"] for row in result.rows] == [None, "low_confidence", "no_speech_found"]
    assert set(result.rows[0]) < set(TRANSCRIPTS.names) - {"batch", "provenance"}
    assert {row["text_source"] for row in result.rows} == {"recognised"}
    # What no recogniser was asked about is in the ledger of the stage before.
    assert result.ledger == [LedgerEntry("passed", 3.5), LedgerEntry("dropped", 3.5, "low_confidence")]


def test_a_bound_may_be_changed_without_recognising_again():
    row = heard(0.0, "今天天气很好，我们去公园。", asr_avg_logprob=-0.8)
    assert decided(row).rows[0]["decision"] == "keep"
    assert decided(row, min_avg_logprob=-0.5).rows[0]["drop_reason"] == "low_confidence"


def test_no_hypotheses_give_no_rows():
    assert decided() == StageResult([], [])


def test_a_traditional_text_of_a_mandarin_recording_is_written_simplified():
    (row,) = decided(heard(0.0, "廣州市房地產,中間協會分析")).rows
    assert row["text"] == "广州市房地产，中间协会分析。"


def test_english_in_a_mandarin_recording_is_dropped_as_another_language():
    (row,) = decided(heard(0.0, "Then you go into your folder", language_probability=0.0)).rows
    assert row["drop_reason"] == "other_language"


def test_pauses_between_words_become_punctuation_where_the_recogniser_wrote_none():
    words = [
        {"word": one, "start": at, "end": at + 0.2, "probability": 0.9}
        for one, at in zip("今天好我们去", (0.0, 0.2, 0.4, 1.5, 1.7, 1.9), strict=True)
    ]
    (row,) = decided(heard(0.0, "今天好我们去", words=words)).rows
    assert row["text"] == "今天好。我们去。"


def test_several_recognisers_make_one_text_and_their_seconds_count_once():
    several = [
        heard(0.0, "今天天汽很好，我们去公圆。"),
        heard(0.0, "今天天气很好我们去公园", recognizer="second", covered_seconds=0.0),
        heard(0.0, "金天天气很好我们去公园走", recognizer="third", covered_seconds=0.0),
    ]
    result = decided(*several)
    (row,) = result.rows
    assert row["text"] == "今天天气很好，我们去公园。"
    assert (row["recognizer"], row["calibration"], row["confidence"]) == ("first+second+third", "uncalibrated", None)
    assert row["agreement"] == 11 / 12
    assert result.ledger == [LedgerEntry("passed", 3.5)]


def test_with_two_that_disagree_the_first_one_is_believed():
    (row,) = decided(heard(0.0, "我们去公园吧。"), heard(0.0, "你们去海边", recognizer="second")).rows
    assert row["text"] == "我们去公园吧。"
