"""Transcripts that the studio writes beside recordings say what was said, when and by whom."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.exchange.formats import read_transcript
from pipeline.lake.lake import Lake
from pipeline.lake.tables import span_id
from pipeline.settings import GivenText
from studio.given_files import write_given
from studio.given_truth import given_text
from studio.record import record
from studio.scenes import SpokenLine

LINES = (
    SpokenLine("f1", 0.25, 1.7504, "今天天气很好。"),
    SpokenLine("m2", 1.5, 3.2, '他说："走吧！"'),
    SpokenLine("f1", 2.0, 4.0, "一起去 & 公园<>。"),
)


@pytest.mark.parametrize("form", ["eaf", "TextGrid"])
def test_every_line_comes_back_with_its_times_and_speaker(tmp_path: Path, form: str) -> None:
    file = write_given(tmp_path / "a.wav", form, LINES)
    assert file.name == f"a.{form}"
    found = read_transcript(file.read_bytes(), file.name, GivenText())
    lines = [line for line in found.lines if line.text]
    assert [(line.speaker, line.text) for line in lines] == [(line.speaker, line.text) for line in LINES]
    times = [[line.start, line.end] for line in lines]
    np.testing.assert_allclose(times, [[line.start, line.end] for line in LINES], rtol=0, atol=1e-3)
    assert found.notes == ()
    assert [line.remarks for line in lines] == ["合成语音" if form == "eaf" else None] * 3


def test_recordings_come_with_transcripts_in_turn_and_their_metadata_have_none(tmp_path: Path) -> None:
    paths = record(tmp_path, ["cmn"], 3, 0.2, 1, 0.0, 30.0, seed=1, given=("", "eaf", "TextGrid"), dry=True)
    beside = sorted(file.name for file in paths[0].parent.iterdir() if file.suffix in (".eaf", ".TextGrid"))
    assert beside == ["cmn-001.eaf", "cmn-002.TextGrid"]
    assert "transcript" not in (paths[0].parent / "metadata.csv").read_text(encoding="utf-8")
    for number, name in ((1, "cmn-001.eaf"), (2, "cmn-002.TextGrid")):
        truth = json.loads((tmp_path / "truth" / f"cmn-00{number}.json").read_text(encoding="utf-8"))
        found = read_transcript((paths[0].parent / name).read_bytes(), name, GivenText())
        lines = [line for line in found.lines if line.text]
        assert "".join(line.text for line in lines) == truth["transcript"]
        expected = [[line["start"], line["end"]] for line in truth["lines"]]
        np.testing.assert_allclose([[line.start, line.end] for line in lines], expected, rtol=0, atol=1e-3)


def test_the_summary_counts_lines_that_changed_on_their_way(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    facts = {"source": "cmn/studio/a.wav", "lines": [vars(line) for line in LINES]}
    (tmp_path / "truth" / "a.json").write_text(json.dumps(facts), encoding="utf-8")
    lake = Lake(tmp_path / "lake")
    given = [{"start": line.start, "end": line.end, "text": line.text, "speaker": line.speaker} for line in LINES]
    given[2]["start"] = 2.1
    shared = {"batch": "b00001", "provenance": "p", "recording_id": "r"}
    lake.write("recordings", "b00001", [shared | {"source": "cmn/studio/a.wav", "status": "ok", "given": given}])
    rows = [
        shared
        | {"transcript_id": span_id("r", line.start, line.end), "turn_id": "t", "start": line.start, "end": line.end}
        | {"text": text, "given_line": number, "decision": "keep"}
        for number, (line, text) in enumerate(zip(LINES, ("今天天气很好。", "他说走吧", ""), strict=True))
    ]
    lake.write("transcripts", "b00001", rows)
    own = {key: value for key, value in rows[0].items() if key != "given_line"}
    lake.write("alignments", "b00001", [own])
    assert given_text(lake, tmp_path / "truth") == {
        "given_lines": 3,
        "given_lines_changed": 2,
        "given_lines_aligned": pytest.approx(1 / 3),
    }
