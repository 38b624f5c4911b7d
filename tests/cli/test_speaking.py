"""`speak` writes a labelled file, `label show` reads it back and tells when it was changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tiny_checkpoint import CHECKPOINT, FIXTURE
from typer.testing import CliRunner

from cli.main import app
from model.labels import labels
from pipeline.audio import clips


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "500"})
    return result.exit_code, result.output


def test_speech_is_written_labelled_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    spoken = ("--checkpoint", CHECKPOINT, "--max-patches", 3, "--steps", 4, "--dialect", "cmn-sichuan")
    declared = ("--own-voice", "Reader 7", "--workspace", tmp_path / "workspace")
    code, said = run("speak", "今天天气很好。", "--out", path, "--reference", FIXTURE / "ref.wav", *spoken, *declared)
    assert code == 0, said
    assert "reference, 3 patches, 4 steps" in said
    assert "5 s or more carry a voice better" in said
    samples, rate = clips.decode_bytes(path.read_bytes())
    assert (len(samples), rate) == (3 * 7680, 48000)
    assert np.abs(samples).max() > 0
    code, said = run("label", "show", path)
    assert code == 0, said
    assert said.startswith("intact")
    assert '"ContentProducer": "Fangyan"' in said


def test_a_voice_is_not_copied_and_a_tainted_model_not_loaded_without_a_word(tmp_path: Path) -> None:
    asked = ("speak", "好", "--out", tmp_path / "x.wav", "--workspace", tmp_path / "workspace")
    for option in ("--reference", "--prompt"):
        code, said = run(*asked, "--checkpoint", CHECKPOINT, option, FIXTURE / "ref.wav")
        assert (code, "--consent ID" in said, "--own-voice" in said) == (1, True, True)
    model = tmp_path / "model"
    model.mkdir()
    (model / "card.json").write_text('{"status": "tainted", "status_reason": "takedown t-1"}')
    for loaded in (("--checkpoint", model), ("--checkpoint", CHECKPOINT, "--lora", model / "checkpoints" / "step-10")):
        code, said = run(*asked, *loaded)
        assert (code, "takedown t-1" in said, "--allow-tainted" in said) == (1, True, True)
    code, said = run(*asked, "--checkpoint", model, "--allow-tainted")
    assert (code, "tainted" in said) == (1, False)
    assert not (tmp_path / "x.wav").exists()


def test_a_stripped_file_is_shown_as_such(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    labels.write(path, np.zeros(4800, np.float32), 48000)
    path.write_bytes(clips.encode_flac(np.zeros(4800, np.float32), 48000))
    code, said = run("label", "show", path)
    assert code == 1
    assert said.startswith("missing")


def test_mistakes_are_told_in_a_line(tmp_path: Path) -> None:
    code, said = run("speak", "好", "--out", tmp_path / "x.aiff")
    assert (code, "wav" in said) == (1, True)
    code, said = run("speak", "好", "--out", tmp_path / "x.wav", "--checkpoint", tmp_path / "none")
    assert (code, "no such folder" in said) == (1, True)
    code, said = run("speak", "好", "--out", tmp_path / "x.wav", "--checkpoint", CHECKPOINT, "--dialect", "tianjin")
    assert (code, "cmn-tianjin" in said) == (1, True)


def test_many_texts_are_spoken_by_one_command(tmp_path: Path) -> None:
    batch = tmp_path / "texts.jsonl"
    batch.write_text('{"id": "a", "text": "好天气"}\n{"text": "你好", "dialect": "yue", "seed": 3}\n', encoding="utf-8")
    spoken = ("speak", "--batch", batch, "--checkpoint", CHECKPOINT, "--steps", 2, "--max-patches", 2)
    code, said = run(*spoken, "--out", tmp_path / "out")
    assert code == 0, said
    for name in ("a", "00002"):
        assert labels.inspect(tmp_path / "out" / f"{name}.wav").standing is labels.Standing.INTACT
    for line, words in (('{"id": "../x", "text": "好"}', "no name"), ("{}", "line 1"), ('{"text": "好", "x": 1}', "x")):
        batch.write_text(line, encoding="utf-8")
        code, said = run(*spoken, "--out", tmp_path / "out")
        assert (code, words in said) == (1, True), said


def test_what_a_voice_was_never_taught_is_warned_of(tmp_path: Path) -> None:
    asked = ("--out", tmp_path / "x.mp3", "--steps", 2, "--max-patches", 1, "--dialect", "nan")
    code, said = run("speak", "哈囉 😀", *asked)
    assert code == 0, said
    assert "never taught nan, only cmn, cmn-sichuan, yue" in said
    assert "characters were never taught" in said
    code, said = run("speak", "。！", *asked[:-2])
    assert "nothing in it that is pronounced" in said
    assert labels.inspect(tmp_path / "x.mp3").standing is labels.Standing.INTACT
