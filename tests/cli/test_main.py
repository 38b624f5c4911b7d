"""The command line: what is wrong is said in one message, with exit code 1."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from pipeline.settings import PROJECT, Settings


def fangyan(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.output


def config(folder: Path, text: str) -> str:
    file = folder / "fangyan.toml"
    file.write_text(f'workspace = "{folder}"\n{text}', encoding="utf-8")
    return str(file)


def test_doctor_says_that_a_missing_checkpoint_stops_the_line(tmp_path: Path) -> None:
    code, output = fangyan("doctor", "--config", config(tmp_path, '[align]\ncheckpoint = "checkpoints/nowhere"'))
    assert code == 1
    assert "align.checkpoint" in output
    assert "cannot run" in output


def test_doctor_is_content_with_the_embedded_checkpoints(tmp_path: Path) -> None:
    code, output = fangyan("doctor", "--config", config(tmp_path, ""))
    assert code == 0, output


def test_doctor_tells_what_would_be_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, output = fangyan("doctor", "--config", config(tmp_path, '[align]\ncheckpoint = "MMS_FA"'))
    assert code == 0, output
    assert "would be downloaded" in output
    assert "CC-BY-NC" in output
    assert "MMS_FA has no thresholds.json and [align] names no min_score" in output


def test_a_mistake_in_the_configuration_is_one_message(tmp_path: Path) -> None:
    code, output = fangyan("run", "--config", config(tmp_path, "[score]\npolicy = 'best'"))
    assert code == 1
    assert "score.policy = 'best'" in output
    assert "Traceback" not in output


def test_a_workspace_without_landing_folder_is_told_where_to_put_recordings(tmp_path: Path) -> None:
    code, output = fangyan("run", "--workspace", str(tmp_path))
    assert code == 1
    assert "<dialect>/<collection>/<file>" in output.replace("\n", "")


def test_sql_reads_and_does_not_write(tmp_path: Path) -> None:
    assert fangyan("sql", "SELECT 1", "--workspace", str(tmp_path))[0] == 1
    Settings(workspace=tmp_path).lake.mkdir()
    code, output = fangyan("sql", "SELECT count(*) AS n FROM segments", "--workspace", str(tmp_path), "--format", "csv")
    assert (code, output.split()) == (0, ["n", "0"])
    for statement in ("DROP VIEW segments", f"COPY segments TO '{tmp_path}/out.csv'", "SELECT nothing FROM segments"):
        code, output = fangyan("sql", statement, "--workspace", str(tmp_path))
        assert code == 1, statement
        assert "Traceback" not in output
    assert not (tmp_path / "out.csv").exists()


def test_commands_are_listed_in_the_order_of_the_work() -> None:
    code, output = fangyan("--help")
    assert code == 0
    places = [output.index(f" {name} ") for name in ("init", "doctor", "run", "status", "sql", "voice", "speak")]
    assert places == sorted(places)


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert fangyan("--version") == (0, f"fangyan {project['version']}\n")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["sql", "--format", "j"], {"json"}),
        (["voice", "--dialect", "cmn-ti"], {"cmn-tianjin"}),
        (["speak", "--dialect", "yu"], {"yue"}),
    ],
)
def test_a_shell_completes_formats_and_dialects(typed: list[str], offered: set[str]) -> None:
    words = " ".join(["fangyan", *typed])
    environment = {"_FANGYAN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(typed))}
    result = CliRunner().invoke(app, [], prog_name="fangyan", env=environment)
    assert set(result.output.split()) == offered


@pytest.mark.parametrize(("option", "value"), [("--dialects", "nan"), ("--speakers", "0")])
def test_the_studio_says_what_it_cannot_record(tmp_path: Path, option: str, value: str) -> None:
    code, output = fangyan("studio", "record", "--out", str(tmp_path / "out"), option, value)
    assert code == 1
    assert value in output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("key", "name"),
    [("DIARIZE", "diarization-micro"), ("DIARIZE", "checkpoints/none"), ("TRANSCRIBE", "large-v33"), ("ALIGN", "MMS")],
)
def test_doctor_calls_no_name_a_download_that_is_no_hub_id(
    tmp_path: Path, key: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"FANGYAN_{key}__CHECKPOINT", name)
    code, output = fangyan("doctor", "--workspace", str(tmp_path))
    assert code == 1
    assert "missing" in output
    assert "would be downloaded" not in output
