"""`fangyan calibrate` finds what labelled recordings say of the models, and writes it where the configuration looks."""

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
from pipeline.recognition.gate_calibration import needed
from pipeline.settings import load_settings
from pipeline.stages.transcribe import Transcribe
from studio import scripts
from studio.synthesis import speak
from studio.voices import voices

SPEAKERS = 5


def labelled(folder: Path, count: int, dialect: str = "cmn") -> Path:
    """Held-out studio sentences with a .txt beside each, laid out as a landing folder; speakers by metadata."""
    draw = random.Random(2)
    place = folder / dialect / "set"
    place.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        sentence = scripts.sentence(dialect, draw, held_out=True)
        said = speak(sentence, voices(held_out=True)[number % SPEAKERS], seed=number)
        (place / f"{number}.flac").write_bytes(clips.encode_flac(said.samples, said.sample_rate))
        (place / f"{number}.txt").write_text(sentence.text, encoding="utf-8")
    rows = [f"{number}.flac,{number % SPEAKERS}" for number in range(count)]
    (place / "metadata.csv").write_text("\n".join(["file_name,speaker", *rows]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 Mandarin clips and 10 Cantonese ones, which also lie in `few` alone."""
    folder = tmp_path_factory.mktemp("labelled")
    few = labelled(folder / "few", 10, "yue")
    return labelled(shutil.copytree(few, folder / "all"), 30)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["calibrate", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_the_bound_of_the_gate_is_found_and_written_beside_what_is_there(landed: Path, tmp_path: Path) -> None:
    checkpoint = shutil.copytree(PROJECT / "checkpoints" / "aligner-micro", tmp_path / "aligner")
    (checkpoint / "thresholds.json").write_text('{"align": {"min_score": 0.99, "dialects": {}}, "other": {"a": 1}}')
    config = tmp_path / "own.toml"
    config.write_text(f'[align]\ncheckpoint = "{checkpoint}"\n', encoding="utf-8")
    code, output = run(str(landed.parent / "few"), "--part", "align", "--config", str(config), "--write")
    assert code == 0, output
    assert "(ctc): 10 true texts, 30 wrong ones, AUC" in output
    stored = json.loads((checkpoint / "thresholds.json").read_text())
    assert 0.1 < stored["align"]["min_score"] < 0.9
    assert (stored["align"]["dialects"], stored["other"]) == ({}, {"a": 1})


def test_an_identifier_that_brags_is_given_a_temperature_that_makes_it_honest(landed: Path, tmp_path: Path) -> None:
    checkpoint = shutil.copytree(PROJECT / "checkpoints" / "dialect-micro", tmp_path / "dialect")
    (checkpoint / "thresholds.json").write_text('{"dialect": {"temperature": 10.0}}')
    config = tmp_path / "own.toml"
    config.write_text(f'[dialect]\ncheckpoint = "{checkpoint}"\n', encoding="utf-8")
    code, output = run(str(landed), "--part", "dialect", "--config", str(config), "--write")
    assert code == 0, output
    assert "40 clips (0 left out)" in output
    before, after = (
        float(output.split(word)[0].split()[-1].rstrip("%")) for word in (" at temperature 10", " on held")
    )
    assert after < before / 2
    assert json.loads((checkpoint / "thresholds.json").read_text())["dialect"]["temperature"] < 2.0


@pytest.mark.slow
def test_the_votes_confidence_is_learned_for_a_dialect_and_used_by_the_pipeline(landed: Path, tmp_path: Path) -> None:
    recogniser = shutil.copytree(PROJECT / "checkpoints" / "whisper-micro", tmp_path / "whisper")
    config = tmp_path / "own.toml"
    own = f'[transcribe]\ncheckpoint = "{recogniser}"\nbeam_size = 1\ncalibration = "own.json"\n'
    config.write_text(own, encoding="utf-8")
    noisy = tmp_path / "noisy"
    code, output = run(str(with_noise(landed, noisy)), "--part", "vote", "--config", str(config), "--write")
    assert "yue: 2 clips in which" in output
    assert code == 1, output
    assert "written: " in output
    # Beside the configuration, which names it.
    written = json.loads((tmp_path / "own.json").read_text(encoding="utf-8"))["dialects"]
    assert list(written) == ["cmn"]
    assert written["cmn"]["measured_on"] == "30 labelled clips of 5 speakers or recordings"
    # A threshold beside the weights is no other recogniser.
    (recogniser / "thresholds.json").write_text('{"align": {"min_score": 0.2}}')
    stage = Transcribe(load_settings(config))
    assert stage._calibration("cmn") is not None
    assert stage._calibration("yue") is None


def with_noise(folder: Path, target: Path) -> Path:
    """The same under so much noise that the recogniser errs."""
    import numpy as np

    from pipeline.audio.noise import mixed
    from studio.noise import noise

    shutil.copytree(folder, target, ignore=lambda place, names: sorted(names)[4:] if "yue" in Path(place).parts else ())
    for number, file in enumerate(sorted(target.rglob("*.flac"))):
        samples = clips.read(file, sample_rate=16_000)
        hiss = noise("white", samples.size, 16_000, np.random.default_rng(number))
        file.write_bytes(clips.encode_flac(mixed(samples, hiss, 0.0), 16_000))
    return target


@pytest.mark.parametrize(
    ("part", "needs"),
    [
        ("align", f"{needed(0.05)} are needed"),
        ("dialect", "40 in two or more are needed"),
        ("text", "20 are needed"),
        ("vote", "30 clips with 50"),
    ],
)
def test_too_little_speech_is_refused_with_how_much_is_needed(tmp_path: Path, part: str, needs: str) -> None:
    code, output = run(str(labelled(tmp_path / "set", 2)), "--part", part)
    assert code == 1
    assert needs in output.replace("\n", " ")


def test_a_folder_without_transcripts_and_a_part_that_is_none_are_refused(tmp_path: Path) -> None:
    assert "has a transcript" in run(str(tmp_path))[1]
    assert "there are align, dialect, text, vote" in run(str(tmp_path), "--part", "gate")[1]
