"""`fangyan doctor` says of every recogniser that is configured what is there, and stops where one is missing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

WHISPER = '[[transcribe.recognizers]]\nname = "whisper"\ncheckpoint = "checkpoints/whisper-micro"\n'
SHERPA = '[[transcribe.recognizers]]\nname = "second"\nkind = "sherpa-onnx"\ndialects = ["yue"]\ncheckpoint = "{}"\n'
SERVER = '[[transcribe.recognizers]]\nname = "server"\nkind = "openai"\naddress = "{}"\nmodel = "qwen"\n'


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def server() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


def _doctor(folder: Path, *recognizers: str) -> tuple[int, dict[str, str]]:
    """Exit code, and what is said by what it is said of."""
    file = folder / "fangyan.toml"
    file.write_text(f'workspace = "{folder}"\n' + "\n".join(recognizers), encoding="utf-8")
    result = CliRunner().invoke(app, ["doctor", "--config", str(file)])
    lines = [line.split("  ", 1) for line in result.output.splitlines() if "  " in line]
    return result.exit_code, {subject.strip(): said.strip() for subject, said in lines}


def test_every_recogniser_has_its_line(tmp_path: Path, server: str) -> None:
    code, said = _doctor(tmp_path, WHISPER, SHERPA.format("checkpoints/ctc-micro"), SERVER.format(server))
    assert code == 0, said
    assert said["recogniser whisper"].startswith("ok")
    assert "faster-whisper: checkpoints/whisper-micro" in said["recogniser whisper"]
    assert "for all dialects" in said["recogniser whisper"]
    assert "sherpa-onnx: zipformer_ctc in checkpoints/ctc-micro" in said["recogniser second"]
    assert "for yue" in said["recogniser second"]
    assert f"openai: qwen at {server}" in said["recogniser server"]
    assert "transcribe.checkpoint" not in said


@pytest.mark.parametrize(
    ("recognizer", "name", "complaint"),
    [
        (SHERPA.format("checkpoints/whisper-micro"), "second", "has no model.onnx"),
        (SHERPA.format("models/nowhere"), "second", "no checkpoint at"),
        (SHERPA.format("checkpoints/ctc-micro").replace("yue", "yux"), "second", "did you mean yue"),
        (SERVER.format("http://127.0.0.1:9/v1"), "server", "cannot reach it"),
        (SERVER.format("https://asr.example.com/v1"), "server", "recordings_may_leave"),
    ],
)
def test_a_recogniser_that_is_not_there_stops_the_pipeline(
    tmp_path: Path, recognizer: str, name: str, complaint: str
) -> None:
    code, said = _doctor(tmp_path, WHISPER, recognizer)
    assert code == 1
    assert said[f"recogniser {name}"].startswith("missing")
    assert complaint in said[f"recogniser {name}"]
