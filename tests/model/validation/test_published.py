"""Published figures: the real file is sound, every figure has its source, and none passes for a measured one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from model.validation.systems.published import FILE, PublishedError, load_published, published_rows
from pipeline.lake.tables import EVALUATION_SUMMARY


def test_every_figure_has_a_source_and_each_benchmark_has_its_systems() -> None:
    figures = load_published()
    assert {figure.benchmark for figure in figures} == {"Seed-TTS-eval", "CV3-Eval", "MiniMax multilingual"}
    systems = {figure.system for figure in figures}
    assert {"VoxCPM2", "CosyVoice2", "CosyVoice3-1.5B", "XTTS-v2", "F5-TTS", "ElevenLabs", "MiniMax-Speech"} <= systems
    own = {figure.system for figure in figures if figure.source_kind == "own_team"}
    assert all(name.startswith(("VoxCPM", "CosyVoice", "Fun-CosyVoice", "MaskGCT")) for name in own)


def test_the_same_system_may_have_two_figures_from_two_sources() -> None:
    found = {
        (figure.row()["value"], figure.source.partition(",")[0])
        for figure in load_published()
        if (figure.system, figure.subset, figure.metric) == ("F5-TTS", "test-zh", "SIM")
    }
    assert found == {("76.0", "VoxCPM2 Technical Report"), ("74.1", "CosyVoice 3")}


def test_a_figure_does_not_fit_into_the_tables_of_measurements() -> None:
    row = published_rows()[0]
    required = {field.name for field in EVALUATION_SUMMARY if not field.nullable}
    assert required - row.keys() >= {"dialect", "model_id"}
    assert {"low", "high", "n", "verdict"}.isdisjoint(row)
    assert isinstance(row["value"], str)
    assert "arXiv:" in row["source"]
    with pytest.raises(pa.ArrowInvalid):
        pa.array([row["value"]], EVALUATION_SUMMARY.field("value").type)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (",0.97,", ",97x,", "row .*: value: Input should be a valid decimal"),
        (",0.97,", ",970,", "row .*: value: "),
        (",0.97,", ",nan,", "row .*: value: "),
        ("VoxCPM2,Seed-TTS-eval,test-zh", "VoxCPM2,My own set,test-zh", "row .*: benchmark: "),
        ("VoxCPM2,Seed-TTS-eval,test-zh,CER", "VoxCPM2,Seed-TTS-eval,test-zh,MOS", "row .*: metric: "),
        ("Technical Report, arXiv:2606.06928", "Technical Report", "row .*: source: "),
        ("own_team", "somebody", "row .*: source_kind: "),
        ("second-hand, from notes on the report", "from notes", "row .*: its note must say|row .*: row: "),
    ],
)
def test_a_fault_names_row_and_column(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "published.csv"
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(PublishedError, match=complaint):
        load_published(file)


def test_a_figure_given_twice_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    lines = FILE.read_text(encoding="utf-8").splitlines(keepends=True)
    file = tmp_path / "published.csv"
    file.write_text("".join([*lines, lines[-1]]), encoding="utf-8")
    with pytest.raises(PublishedError, match="stands 2 times"):
        load_published(file)
    with pytest.raises(PublishedError, match="no such file"):
        load_published(tmp_path / "none.csv")
