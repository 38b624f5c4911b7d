"""Each list of a trainer has the keys and the form that the trainer reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import export_clips
import pytest
import soundfile

from pipeline.exchange.exports import EXPORTS, Options
from pipeline.exchange.lists import LISTS, Line
from pipeline.exchange.sound_files import length_of, safe_name


def _write(name: str, out: Path) -> list[Path]:
    encoding = EXPORTS[name].encoding or "flac"
    return EXPORTS[name].writer(out, Options(encoding)).write(export_clips.clips(encoding))


@pytest.mark.parametrize(
    ("name", "file", "sound", "text"),
    [
        ("voxcpm", "train.jsonl", "audio", "text"),
        ("qwen3-tts", "train.jsonl", "audio", "text"),
        ("dots-tts", "train.jsonl", "audio", "text"),
        ("moss-tts", "train.jsonl", "audio", "text"),
        ("omnivoice", "train.jsonl", "audio_path", "text"),
        ("funasr", "train.jsonl", "source", "target"),
        ("nemo", "train_manifest.json", "audio_filepath", "text"),
    ],
)
def test_a_line_of_json_has_sound_and_text_of_each_clip(
    tmp_path: Path, name: str, file: str, sound: str, text: str
) -> None:
    _write(name, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / file).read_text(encoding="utf-8").splitlines()]
    assert [row[text] for row in rows] == [export_clips.TEXTS[key] for key in ("r1-1", "r1-2", "r1-3")]
    assert all(soundfile.info(row[sound]).frames == 4800 for row in rows)


def test_voxcpm_and_qwen3_tts_name_reference_clips(tmp_path: Path) -> None:
    _write("voxcpm", tmp_path / "v")
    _write("qwen3-tts", tmp_path / "q")
    voxcpm, qwen = (json.loads((tmp_path / one / "train.jsonl").read_text().splitlines()[0]) for one in "vq")
    assert Path(voxcpm["ref_audio"]).stem == "r1-2"
    assert voxcpm["ref_duration"] == 0.3
    assert Path(qwen["ref_audio"]).stem == "r1-1"


def test_no_character_of_a_text_ends_a_line_of_json() -> None:
    line = LISTS["voxcpm"].line(Line("a.wav", "一\u2028二\u0085三\n四", 1.0, "yue"))
    assert len(line.splitlines()) == 1
    assert json.loads(line)["text"] == "一\u2028二\u0085三\n四"


def test_qwen3_asr_is_told_the_language(tmp_path: Path) -> None:
    _write("qwen3-asr", tmp_path)
    lines = (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0])["text"] == "language Chinese<asr_text>今天的鱼真新鲜。"
    assert json.loads(lines[1])["text"] == "language Cantonese<asr_text>買白菜"


def test_f5_tts_reads_its_csv_and_a_spreadsheet_computes_none_of_it(tmp_path: Path) -> None:
    _write("f5-tts", tmp_path)
    with (tmp_path / "train" / "metadata.csv").open(encoding="utf-8", newline="") as content:
        header, *rows = csv.reader(content, delimiter="|")
    assert header == ["audio_file", "text"]
    assert [Path(row[0]).is_file() for row in rows] == [True] * 3
    assert rows[2][1] == '\'=HYPERLINK("http://x")|"a" |b, c --> <v d> & e'


def test_gpt_sovits_cuts_each_line_into_four(tmp_path: Path) -> None:
    _write("gpt-sovits", tmp_path)
    rows = [line.split("|") for line in (tmp_path / "train.list").read_text(encoding="utf-8").splitlines()]
    assert [len(row) for row in rows] == [4, 4, 4]
    assert [row[2] for row in rows] == ["zh", "yue", "zh"]
    assert rows[1][3] == "買白菜"


@pytest.mark.parametrize("name", ["kaldi", "cosyvoice"])
def test_a_kaldi_folder_holds_what_its_validator_asks_for(tmp_path: Path, name: str) -> None:
    _write(name, tmp_path)
    tables = {}
    for file in (tmp_path / "train").iterdir():
        lines = file.read_text(encoding="utf-8").splitlines()
        keys = [line.split(" ", 1)[0].encode() for line in lines]
        assert keys == sorted(set(keys)), file.name
        tables[file.name] = dict(line.split(" ", 1) for line in lines)
    assert set(tables["wav.scp"]) == set(tables["text"]) == set(tables["utt2spk"]) == set(tables["utt2dur"])
    assert list(tables["utt2spk"].values()) == sorted(tables["utt2spk"].values())
    back = {one: speaker for speaker, own in tables["spk2utt"].items() for one in own.split()}
    assert back == tables["utt2spk"]
    assert all(soundfile.info(path).frames == 4800 for path in tables["wav.scp"].values())
    if name == "cosyvoice":
        assert tables["instruct"]["spk-1-r1-1"] == "You are a helpful assistant. 请用天津话表达。<|endofprompt|>"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a b", "", ".", "a/b\n", "\ud800x", "[red]", "方言", "-rf", "a" * 300, "a|rm *|"]
)
def test_an_odd_name_becomes_a_plain_one_of_its_own(name: str) -> None:
    made = safe_name(name)
    assert made.isascii()
    assert made.replace("-", "").replace("_", "").isalnum()
    assert len(made) < 100
    assert made != safe_name(name + "x")


@pytest.mark.parametrize("encoding", ["flac", "wav"])
def test_the_length_of_a_sound_file_is_read_from_its_first_bytes(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "x"
    file.write_bytes(export_clips.sound("r1-1", encoding))  # type: ignore[arg-type]
    assert length_of(file) == (4800, 16_000)


@pytest.mark.parametrize("name", EXPORTS)
def test_writing_again_leaves_every_byte_and_asks_for_no_sound_that_is_there(tmp_path: Path, name: str) -> None:
    files = _write(name, tmp_path)
    before = {file: file.read_bytes() for file in files}
    assert set(files) == {file for file in tmp_path.rglob("*") if file.is_file()}

    def refused() -> bytes:
        raise AssertionError("was asked for")

    encoding = EXPORTS[name].encoding or "flac"
    silent = [type(clip)(**{**clip.__dict__, "sound": refused}) for clip in export_clips.clips(encoding)]
    assert EXPORTS[name].writer(tmp_path, Options(encoding)).write(silent) == files
    assert {file: file.read_bytes() for file in files} == before
