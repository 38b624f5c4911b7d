"""`fangyan status` says what waits, what runs, what is in quarantine and which voices there are."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import small_workspace
from typer.testing import CliRunner
from voice_rows import voice_row

from assets.launch import open_instance
from cli.main import app
from pipeline.lake.lake import Lake
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


def test_who_is_promoted_and_what_was_decided_last_is_said(tmp_path: Path) -> None:
    lake, said = Lake(tmp_path / "lake"), {"against": "micro", "against_system": "base", "metric": "cer"}
    lake.write("models", "yue", [voice_row("a", "yue", "promoted"), voice_row("b", "yue", "rejected")])
    for day, name, decided in ((1, "a", "promoted"), (2, "b", "rejected")):
        row = said | {"dialect": "yue", "model_id": name, "status": decided, "status_reason": f"for {name}"}
        row |= {"judgement_id": name, "judged_at": datetime(2026, 1, day, 12, tzinfo=UTC), "guarded": True}
        lake.write("evaluation_history", "yue", [*lake.rows("evaluation_history", "yue"), row])
    output = status(tmp_path)
    assert "promoted    yue: a" in output
    assert "judged      yue: b 2026-01-02" in output
    assert "rejected: for b" in output


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
