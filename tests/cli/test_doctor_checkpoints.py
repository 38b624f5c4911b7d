"""`fangyan doctor` on checkpoints that are not what they seem, and on segments that no voice can learn from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import doctor
from cli.checkpoint_findings import Finding, checkpoint, knows_cantonese, mismatches
from cli.main import app
from pipeline.corpus import tiers
from pipeline.settings import PROJECT, Settings
from tests.helpers.small_workspace import DIALECT, build

WHISPER = PROJECT / "checkpoints" / "whisper-micro"


@pytest.fixture
def recogniser(tmp_path: Path) -> Path:
    """A recogniser that is none of the embedded ones; its tokenizer does not know Cantonese."""
    folder = shutil.copytree(WHISPER, tmp_path / "models" / "whisper-own")
    file = folder / "tokenizer.json"
    file.write_text(file.read_text(encoding="utf-8").replace("<|yue|>", "<|xxx|>"), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("key", "file"), [("transcribe", "tokenizer.json"), ("diarize", "config.yaml"), ("align", "model.safetensors")]
)
def test_an_empty_folder_is_no_checkpoint(tmp_path: Path, key: str, file: str) -> None:
    found = checkpoint(key, str(tmp_path))
    assert found.state == "missing"
    assert f"{file}: it is no checkpoint" in found.detail


def test_a_mistyped_path_is_missing_and_names_its_neighbour(recogniser: Path) -> None:
    found = checkpoint("transcribe", str(recogniser.with_name("whisper-onw")))
    assert found.state == "missing"
    assert "did you mean whisper-own?" in found.detail


def test_a_path_below_home_is_looked_for_there(recogniser: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(recogniser.parent.parent))
    assert checkpoint("transcribe", "~/models/whisper-own").state == "ok"
    assert checkpoint("transcribe", "~/models/nothing").state == "missing"


def test_a_mistyped_name_names_the_one_that_is_meant() -> None:
    assert "did you mean large-v3" in checkpoint("transcribe", "large-v33").detail
    near = checkpoint("diarize", "pyannote/speaker-diarisation-community-1")
    assert "did you mean pyannote/speaker-diarization-community-1?" in near.detail


def test_embedded_checkpoints_beside_a_recogniser_of_people_are_warned_of(recogniser: Path) -> None:
    assert list(mismatches(Settings())) == []
    settings = Settings.model_validate({"transcribe": {"checkpoint": str(recogniser)}})
    found = list(mismatches(settings))
    assert {one.state for one in found} == {"warning"}
    subjects = [f"{section}.checkpoint" for section in ("diarize", "align", "dialect", "transcribe")]
    assert [one.subject for one in found] == subjects
    assert "no token for Cantonese" in found[-1].detail


def test_cantonese_is_known_by_the_tokenizer_or_the_name(recogniser: Path) -> None:
    assert knows_cantonese(str(WHISPER)) == ("<|yue|>" in (WHISPER / "tokenizer.json").read_text(encoding="utf-8"))
    assert not knows_cantonese(str(recogniser))
    assert knows_cantonese("large-v3")
    assert knows_cantonese("Systran/faster-whisper-large-v3")
    assert not knows_cantonese("medium")


def test_more_workers_than_memory_holds_are_warned_of() -> None:
    settings = Settings.model_validate({"engine": {"workers_of": {"diarize": 5000}}})
    stage = next(one for one in doctor.examine(settings) if one.subject == "diarize" and "workers" in one.detail)
    assert stage.state == "warning"
    assert "workers_of = { diarize = " in stage.detail


def test_tiers_of_another_policy_can_qualify_nothing(tmp_path: Path) -> None:
    policy = {"score": {"policy": "emilia"}, "training_set": {"tiers": ["premium", "standard"]}}
    problem = tiers.impossible(Settings.model_validate(policy))
    assert "premium, standard" in problem
    assert "keep, below; no segment can qualify" in problem
    assert tiers.impossible(Settings()) == ""
    (tmp_path / "fangyan.toml").write_text('[training_set]\ntiers = ["premium"]\n')
    told = CliRunner().invoke(app, ["voice", "--dialect", "cmn-tianjin", "--config", str(tmp_path / "fangyan.toml")])
    assert told.exit_code == 1
    assert "no segment can qualify" in told.output.replace("\n", " ")


def test_doctor_counts_the_segments_that_qualify_and_says_why_the_others_do_not(tmp_path: Path) -> None:
    settings = build(tmp_path / "w")
    found = _voice(settings)
    assert found.state == "warning"
    assert "0 of" in found.detail
    assert "tier: None" in found.detail
    assert "no voice can be trained" in found.detail


def _voice(settings: Settings) -> Finding:
    return next(one for one in doctor.examine(settings) if one.subject == f"voice {DIALECT}")
