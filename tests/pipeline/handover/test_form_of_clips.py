"""Clips go out at the rate, in the encoding and in the script that were asked for, into folders of any name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import soundfile

from pipeline.handover.choice import ExportError
from pipeline.handover.clips import without_punctuation, written
from pipeline.handover.export import export
from pipeline.lake.lake import Lake
from pipeline.settings import Settings


def test_sound_is_written_at_the_rate_and_in_the_encoding_asked_for(stocked: Settings, out: Path) -> None:
    export(stocked, "voxcpm", out, "asr", sample_rate=24_000, encoding="wav", where="duration > 5")
    files = list((out / "audio").rglob("*.*"))
    assert files
    for file in files:
        about = soundfile.info(file)
        assert (about.format, about.samplerate, about.channels, about.frames) == ("WAV", 24_000, 1, 132_000)


@pytest.mark.parametrize(
    ("script", "dialect", "text", "made"),
    [
        ("simplified", "yue", "佢哋去買菜", "佢哋去买菜"),
        ("traditional", "cmn-sichuan", "买菜的时候", "買菜的時候"),
        ("traditional", "yue", "你系咪去买菜", "你係咪去買菜"),
        ("as-written", "yue", "佢哋去買菜", "佢哋去買菜"),
        ("traditional", "x-unknown", "买菜", "買菜"),
    ],
)
def test_texts_are_written_in_the_script_asked_for(script: str, dialect: str, text: str, made: str) -> None:
    assert written(text, dialect, script) == made  # type: ignore[arg-type]


def test_the_list_and_the_manifest_say_the_script(stocked: Settings, out: Path) -> None:
    export(stocked, "nemo", out, "asr", script="traditional")
    texts = {json.loads(line)["text"] for file in out.glob("*_manifest.json") for line in file.read_text().splitlines()}
    assert texts == {"早上好，今天的魚真新鮮", "買白菜"}
    assert json.loads((out / "manifest.json").read_bytes())["script"] == "traditional"


@pytest.mark.parametrize("name", ["new\nline", "a|b", "\udcff"])
def test_a_folder_whose_name_lists_cannot_hold_is_refused(stocked: Settings, tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match="choose another"):
        export(stocked, "voxcpm", tmp_path / name, "asr")
    assert not list(tmp_path.iterdir())


def test_a_folder_with_blanks_and_brackets_is_written_to(stocked: Settings, tmp_path: Path) -> None:
    out = tmp_path / "it's a [folder] 方言"
    export(stocked, "kaldi", out, "asr")
    export(stocked, "kaldi", out, "asr")
    for line in (out / "train" / "wav.scp").read_text(encoding="utf-8").splitlines():
        assert soundfile.info(line.split(" ", 1)[1]).samplerate == 16_000


def test_a_rate_that_is_none_is_refused(stocked: Settings, out: Path) -> None:
    with pytest.raises(ExportError, match="8000 to 192000"):
        export(stocked, "voxcpm", out, "asr", sample_rate=16)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("今天的鱼，真新鲜。", "今天的鱼真新鲜"),
        ("我哋去 shopping mall，OK？", "我哋去shopping mall OK"),
        ("「don't - stop」……", "don't stop"),
        ("……", ""),
    ],
)
def test_punctuation_is_left_out_where_it_is_not_wanted(text: str, made: str) -> None:
    assert without_punctuation(text) == made


def test_a_workspace_without_a_lake_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no lake yet"):
        export(Settings(workspace=tmp_path / "typo"), "rttm", tmp_path / "out", "asr")
    assert not list(tmp_path.iterdir())


def test_where_nothing_goes_out_no_folder_is_left(stocked: Settings, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="nothing may be handed out"):
        export(stocked, "rttm", tmp_path / "out", "publication")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("broken", [b"no sound", b""])
def test_a_stored_sound_that_cannot_be_read_is_named(stocked: Settings, tmp_path: Path, broken: bytes) -> None:
    shutil.copytree(stocked.root, tmp_path / "own")
    settings = Settings(workspace=tmp_path / "own")
    lake = Lake(settings.lake)
    (batch,) = lake.partitions("segments")
    rows = lake.rows("segments", batch)
    rows[2]["audio"] = {"bytes": broken, "path": None}
    lake.write("segments", batch, rows)
    with pytest.raises(ExportError, match=f"segment {rows[2]['segment_id']}: its stored sound cannot be read"):
        export(settings, "kaldi", tmp_path / "out", "asr")
