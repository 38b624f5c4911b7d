"""What people wrote counts neither for recognisers nor against them."""

from __future__ import annotations

from assets.batch_checks import recognised_and_given
from pipeline.lake.rows import Row


def row(recording_id: str, text: str, source: str, **more: object) -> Row:
    told = {"recording_id": recording_id, "text": text, "text_source": source, "start": 0.0, "decision": "keep"}
    return told | {"given_line": None, "recognised_text": None} | more


def test_corrected_text_is_not_held_against_given_text_as_if_it_were_recognised() -> None:
    line = {"text": "今天的鱼真新鲜"}
    recordings = {one: {"recording_id": one, "dialect": "cmn", "given": [line]} for one in ("heard", "corrected")}
    wrong = row("corrected", "今天的雨", "recognised", decision="drop")
    transcripts = [row("heard", "今天的雨", "recognised"), wrong, row("corrected", "今天的鱼", "corrected")]
    assert recognised_and_given(recordings, transcripts) == [("cmn", "今天的鱼真新鲜", "今天的雨")]


def test_what_recognisers_heard_beside_given_text_counts_though_a_person_replaced_it() -> None:
    recordings: dict[str, Row] = {"r": {"recording_id": "r", "dialect": "cmn", "given": [{"text": "今天的鱼"}]}}
    given = row("r", "今天的鱼", "given", given_line=0, recognised_text="今天的雨", decision="drop")
    transcripts = [given, row("r", "昨天的鱼", "corrected")]
    assert recognised_and_given(recordings, transcripts) == [("cmn", "今天的鱼", "今天的雨")]
