"""What an utterance that could not be spoken costs, and when a dialect is measured anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.evaluation.evaluate import EvaluationRow, summaries
from model.evaluation.judges import measured_names
from model.evaluation.run import _made_from, _unmeasured, nothing_spoken
from pipeline.lake.lake import Lake
from pipeline.lake.tables import TABLES
from pipeline.settings import Settings


def _failed(text: str, dialect: str = "cmn-tianjin", **more: object) -> dict:
    facts = {"utterance_id": "u", "model_id": "m", "system": "s", "provenance": "p", "error": "exit status 1"}
    return facts | {"text": text, "dialect": dialect} | more


def test_a_failure_counts_as_an_error_in_every_character_of_its_text():
    right = EvaluationRow("r", "m", "cmn-tianjin", "cer", 0.0, 4.0, "")
    found = summaries([right, *nothing_spoken(_failed("[sigh] 介天儿倍儿冷，走吧。"))])
    assert found["cmn-tianjin", "m", "cer"].value == pytest.approx(8 / 12)
    assert found["cmn-tianjin", "m", "cer_raw"].value == 1.0
    assert found["cmn-tianjin", "m", "stop_rate"].value == 0.0


def test_a_failure_in_a_language_with_spaces_counts_by_words():
    rows = {row.metric: row for row in nothing_spoken(_failed("Good morning, all!", "en"))}
    assert rows.keys() == {"wer", "wer_raw", "stop_rate"}
    assert (rows["wer"].value, rows["wer"].weight, rows["wer"].note) == (1.0, 3.0, "exit status 1")


def test_a_failure_that_is_spoken_after_all_is_measured_anew(tmp_path: Path):
    lake, settings = Lake(tmp_path), Settings()
    failed, spoken = _failed("好。"), _failed("好。", error=None)
    assert _made_from(lake, settings, "cmn-tianjin", [failed]) == _made_from(lake, settings, "cmn-tianjin", [failed])
    assert _made_from(lake, settings, "cmn-tianjin", [failed]) != _made_from(lake, settings, "cmn-tianjin", [spoken])


def test_a_metric_that_was_added_since_is_measured_on_a_standing_validation_set(tmp_path: Path):
    lake = Lake(tmp_path)
    spoken = [{"purpose": "quality", "audio": {"bytes": b"fLaC"}}]
    rows = [_evaluation_row(name) for name in sorted(measured_names())]
    lake.write("evaluation", "cmn-tianjin", rows)
    assert _unmeasured(lake, "cmn-tianjin", spoken) == set()
    lake.write("evaluation", "cmn-tianjin", [row for row in rows if row["metric"] != "dnsmos"])
    assert _unmeasured(lake, "cmn-tianjin", spoken) == {"dnsmos"}


def _evaluation_row(metric: str) -> dict:
    return {field.name: "" for field in TABLES["evaluation"] if not field.nullable} | {"metric": metric}
