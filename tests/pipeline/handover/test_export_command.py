"""`fangyan export` and `fangyan import` say what went out, what was refused and what is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import small_workspace
from typer.testing import CliRunner

from cli.main import app
from pipeline.exchange.exports import EXPORTS
from pipeline.settings import Settings


def _fangyan(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.output


def test_the_command_lists_every_format() -> None:
    code, output = _fangyan("export", "--list")
    assert code == 0
    assert [line.split()[0] for line in output.splitlines()] == list(EXPORTS)


def test_the_command_needs_to_be_told_what_for(tmp_path: Path) -> None:
    code, output = _fangyan("export", "kaldi", "--out", str(tmp_path / "out"), "--workspace", str(tmp_path))
    assert code == 1
    assert "--for" in output


def test_the_command_says_what_went_out_and_what_was_refused(stocked: Settings, tmp_path: Path, out: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(stocked.root, own)
    path = own / "landing" / "consents.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["scopes"].append("publication")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ("--out", str(out), "--for", "publication", "--to", "[red]Team", "--workspace", str(own))
    code, output = _fangyan("export", "ctm", *words)
    assert code == 0, output
    assert "refused cmn-tianjin/market/solo.wav: 1 segments, 5.5 s: consent c-solo is for" in output
    assert "5 segments, 0.3 min" in output
    assert json.loads((out / "manifest.json").read_bytes())["to"] == "[red]Team"


def test_the_import_command_lands_a_list_and_says_that_it_needs_a_consent(stocked: Settings, tmp_path: Path) -> None:
    where = ("--workspace", str(stocked.root))
    assert _fangyan("export", "nemo", "--out", str(tmp_path / "out"), "--for", "asr", *where)[0] == 0
    work = ("--workspace", str(tmp_path / "work"), "--dialect", "cmn-tianjin", "--collection", "theirs")
    code, output = _fangyan("import", "nemo", str(tmp_path / "out" / "train_manifest.json"), *work)
    assert code == 0, output
    assert "7 recordings with 7 lines of text" in output
    assert 'fangyan consent add ID --recordings "cmn-tianjin/theirs/**"' in output.replace("\n", "")


@pytest.mark.slow
def test_a_takedown_leaves_nothing_of_a_recording_in_exports_below_the_workspace(
    stocked: Settings, tmp_path: Path
) -> None:
    from pipeline.handover.export import export
    from pipeline.takedown.takedown import take_down

    shutil.copytree(stocked.root, tmp_path / "own")
    settings = Settings(workspace=tmp_path / "own")
    gone, stays = (small_workspace.recording_id(settings, name).encode() for name in ("solo", "other"))
    for name in ("kaldi", "huggingface"):
        export(settings, name, settings.root / "exports" / name, "asr", to="Team T")
    held = {file: file.read_bytes() for file in (settings.root / "exports").rglob("*") if file.is_file()}
    assert sum(gone in content for content in held.values()) > 5
    take_down(settings, "recording", gone.decode())
    left = {file: file.read_bytes() for file in (settings.root / "exports").rglob("*") if file.is_file()}
    assert not [file for file, content in left.items() if gone in content or gone.decode() in file.name]
    assert stays in left[settings.root / "exports" / "huggingface" / "data" / "train-00000.parquet"]
