"""`fangyan status` says what waits, what runs, what is in quarantine and which voices there are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import small_workspace
from typer.testing import CliRunner

from assets.launch import open_instance
from cli.main import app
from pipeline.settings import Settings


def status(folder: Path) -> str:
    result = CliRunner().invoke(app, ["status", "--workspace", str(folder)])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return small_workspace.build(tmp_path_factory.mktemp("workspace"))


def test_an_empty_workspace_has_a_status(tmp_path: Path) -> None:
    output = status(tmp_path)
    assert "no file" in output
    assert "0 finished" in output


def test_batches_quarantine_and_voices_are_counted(settings: Settings) -> None:
    output = status(settings.root)
    assert "1 finished" in output
    assert "cmn-tianjin: 2 candidate, the latest" in output
    assert "quarantine  nothing" in output


def test_a_new_file_waits_and_the_moment_is_said_when_its_batch_closes(settings: Settings) -> None:
    folder = settings.landing / small_workspace.FOLDER
    shutil.copyfile(folder / "solo.wav", folder / "solo-2.wav")
    output = status(settings.root)
    assert "1 file in no batch, 0.1 min of 10 h; closes 20" in output
    (folder / "solo-2.wav").unlink()


def test_the_runs_of_dagsters_storage_are_looked_at(settings: Settings) -> None:
    with open_instance(settings):
        pass
    assert "running     nothing" in status(settings.root)
