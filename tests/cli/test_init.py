"""`fangyan init`: a workspace whose files say what they are for."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from pipeline.rights.consents import read_consents
from pipeline.settings import Settings, load_settings


def init(folder: Path) -> str:
    result = CliRunner().invoke(app, ["init", str(folder)])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_new_workspace_has_every_file_with_a_comment(tmp_path: Path) -> None:
    init(tmp_path / "new")
    files = [path for path in (tmp_path / "new").iterdir() if path.is_file()]
    assert {path.name for path in files} == {
        *("fangyan.toml", "dagster.yaml", "workspace.yaml", "consents.example.jsonl")
    }
    assert all(path.read_text(encoding="utf-8").startswith("# ") for path in files)
    assert list((tmp_path / "new" / "landing").iterdir()) == []


def test_the_new_configuration_has_the_defaults_and_its_own_folder_as_workspace(tmp_path: Path) -> None:
    init(tmp_path)
    settings = load_settings(environment={"FANGYAN_WORKSPACE": str(tmp_path)})
    assert settings.root == tmp_path
    assert settings == Settings(workspace=tmp_path)


def test_the_commands_of_a_workspace_read_its_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init(tmp_path)
    file = tmp_path / "fangyan.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("# beam_size = 5", "beam_size = 2", 1), encoding="utf-8")
    assert load_settings(environment={}, workspace=tmp_path).transcribe.beam_size == 2
    monkeypatch.chdir(tmp_path)
    assert load_settings(environment={}).transcribe.beam_size == 2
    assert load_settings(environment={}).root == tmp_path


def test_the_example_consent_is_one_that_holds(tmp_path: Path) -> None:
    init(tmp_path)
    example = (tmp_path / "consents.example.jsonl").read_text(encoding="utf-8").splitlines()
    file = tmp_path / "landing" / "consents.jsonl"
    file.write_text(example[-1], encoding="utf-8")
    consents, problems = read_consents(file)
    assert [consent.consent_id for consent in consents] == ["c-001"]
    assert problems == []


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "fangyan.toml").write_text("# mine", encoding="utf-8")
    assert "fangyan.toml" not in init(tmp_path)
    assert (tmp_path / "fangyan.toml").read_text(encoding="utf-8") == "# mine"


def test_a_checkpoint_beside_the_configuration_is_taken_from_there(tmp_path: Path) -> None:
    (tmp_path / "my-whisper").mkdir()
    (tmp_path / "fangyan.toml").write_text('[transcribe]\ncheckpoint = "my-whisper"', encoding="utf-8")
    settings = load_settings(tmp_path / "fangyan.toml", {})
    assert settings.transcribe.checkpoint == str(tmp_path / "my-whisper")
    assert settings.align.checkpoint == Settings().align.checkpoint
