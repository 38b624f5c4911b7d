"""What was heard becomes one text a chunk, or is dropped with its reason, and the seconds add up."""

from __future__ import annotations

from typing import Any

from pipeline.lake.rows import Row
from pipeline.lake.tables import HYPOTHESES, TRANSCRIPTS, span_id
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, StageResult
from pipeline.stages.transcribe import Transcribe

RECORDING = Recording("cmn/a/x.flac", "x.flac", "b", "cmn", "a", "r", 100.0, 16_000)


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
    return stage.process(RECORDING, {"hypotheses": list(rows)})


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
