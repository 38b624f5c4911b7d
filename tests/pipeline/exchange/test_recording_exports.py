"""Formats that describe recordings are read back, by the library or reader that knows them."""

from __future__ import annotations

from pathlib import Path

import export_clips
import pytest

from pipeline.exchange.exports import EXPORTS, Options
from pipeline.exchange.formats import read_transcript
from pipeline.settings import GivenText


def _write(name: str, out: Path) -> None:
    EXPORTS[name].writer(out, Options()).write(export_clips.clips())


@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_subtitles_are_read_back_with_their_times_and_texts(tmp_path: Path, name: str) -> None:
    _write(name, tmp_path)
    lines = read_transcript((tmp_path / f"r1.{name}").read_bytes(), f"r1.{name}", GivenText()).lines
    assert [(line.start, line.end) for line in lines] == [(0.0, 0.3), (2.0, 2.3), (4.0, 4.3)]
    assert [line.text for line in lines[:2]] == [export_clips.TEXTS["r1-1"], export_clips.TEXTS["r1-2"]]
    assert len(lines) == 3


def test_rttm_is_read_by_pyannote(tmp_path: Path) -> None:
    from pyannote.database.util import load_rttm

    _write("rttm", tmp_path)
    (turns,) = load_rttm(tmp_path / "r1.rttm").values()
    assert [(round(turn.start, 3), round(turn.end, 3)) for turn in turns.itersegments()] == [
        (0.0, 0.3),
        (2.0, 2.3),
        (4.0, 4.3),
    ]
    assert set(turns.labels()) == {"spk-1"}


def test_ctm_has_a_line_a_character(tmp_path: Path) -> None:
    _write("ctm", tmp_path)
    rows = [line.split(" ") for line in (tmp_path / "r2.ctm").read_text(encoding="utf-8").splitlines()]
    assert "".join(row[4] for row in rows) == "早上好您了，"
    assert all(len(row) == 6 and row[:2] == ["r2", "1"] for row in rows)
    assert float(rows[1][2]) == 6.01


@pytest.mark.parametrize(("name", "file"), [("elan", "r1.eaf"), ("textgrid", "r1.TextGrid")])
def test_annotations_are_read_back_with_their_times_texts_and_speakers(tmp_path: Path, name: str, file: str) -> None:
    _write(name, tmp_path)
    lines = read_transcript((tmp_path / file).read_bytes(), file, GivenText()).lines
    assert [(line.start, line.end) for line in lines if line.text] == [(0.0, 0.3), (2.0, 2.3), (4.0, 4.3)]
    texts = [line.text for line in lines if line.text]
    assert texts == [" ".join(export_clips.TEXTS[one].split()) for one in ("r1-1", "r1-2", "r1-3")]
    assert {line.speaker for line in lines} == {"spk-1"}
