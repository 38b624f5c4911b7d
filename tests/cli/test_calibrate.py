"""`fangyan calibrate` finds the bound that tells true texts from wrong ones, and writes it where the aligner is."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from pipeline.audio import clips
from pipeline.project import PROJECT
from studio import scripts
from studio.synthesis import speak
from studio.voices import voices


def labelled(folder: Path, count: int = 4) -> Path:
    """Held-out studio sentences with a .txt beside each, laid out as a landing folder."""
    draw = random.Random(2)
    for number in range(count):
        sentence = scripts.sentence("cmn", draw, held_out=True)
        said = speak(sentence, voices(held_out=True)[number], seed=number)
        file = folder / "cmn" / "set" / f"{number}.flac"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(clips.encode_flac(said.samples, said.sample_rate))
        file.with_suffix(".txt").write_text(sentence.text, encoding="utf-8")
    return folder


def test_the_bound_is_found_and_written_beside_what_is_there(tmp_path: Path) -> None:
    checkpoint = shutil.copytree(PROJECT / "checkpoints" / "aligner-micro", tmp_path / "aligner")
    (checkpoint / "thresholds.json").write_text('{"align": {"min_score": 0.99, "dialects": {}}, "other": {"a": 1}}')
    config = tmp_path / "own.toml"
    config.write_text(f'[align]\ncheckpoint = "{checkpoint}"\n', encoding="utf-8")
    folder = labelled(tmp_path / "set")
    result = CliRunner().invoke(app, ["calibrate", str(folder), "--config", str(config), "--write"])
    assert result.exit_code == 0, result.output
    assert "(ctc): 4 true texts, 8 wrong ones, AUC" in result.output, result.output
    stored = json.loads((checkpoint / "thresholds.json").read_text())
    assert 0.1 < stored["align"]["min_score"] < 0.9
    assert (stored["align"]["dialects"], stored["other"]) == ({}, {"a": 1})


@pytest.mark.parametrize("count", [0, 1])
def test_a_folder_with_too_few_texts_is_refused(tmp_path: Path, count: int) -> None:
    folder = labelled(tmp_path / "set", count)
    folder.mkdir(exist_ok=True)
    result = CliRunner().invoke(app, ["calibrate", str(folder)])
    assert result.exit_code == 1
    assert "two recordings or more" in result.output.replace("\n", " ")
