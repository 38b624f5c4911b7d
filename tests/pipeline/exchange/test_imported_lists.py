"""The lists of others are landed with their texts, times and speakers; what cannot be landed is named."""

from __future__ import annotations

from pathlib import Path

import export_clips
import pytest
import soundfile

from pipeline.exchange.exports import EXPORTS, Options
from pipeline.exchange.formats import read_transcript
from pipeline.exchange.given import TranscriptError
from pipeline.exchange.imports import IMPORTS
from pipeline.landed_metadata import Metadata
from pipeline.landing_import import CannotLand, land
from pipeline.landing_zone import scan, sidecars
from pipeline.settings import GivenText, Settings

_LISTS = {
    "nemo": "train_manifest.json",
    "gpt-sovits": "train.list",
    "f5-tts": "train/metadata.csv",
    "kaldi": "train",
    "cosyvoice": "train",
    "lhotse": "cuts_train.jsonl.gz",
    "huggingface": "data/train-00000.parquet",
    "webdataset": "train-000000.tar",
}
_WITH_SPEAKERS = {"nemo", "gpt-sovits", "kaldi", "cosyvoice", "lhotse", "huggingface", "webdataset"}


@pytest.mark.parametrize("name", IMPORTS)
def test_what_was_exported_is_landed_with_its_texts(tmp_path: Path, name: str) -> None:
    encoding = EXPORTS[name].encoding or "flac"
    EXPORTS[name].writer(tmp_path / "out", Options(encoding)).write(export_clips.clips(encoding))
    settings = Settings(workspace=tmp_path / "work")
    landed = land(settings, name, tmp_path / "out" / _LISTS.get(name, "train.jsonl"), "cmn-tianjin", "theirs")
    assert (landed.recordings, landed.lines, landed.missing) == (3, 3, ())
    files = scan(settings.landing, with_metadata=True)
    assert not files.problems
    metadata = Metadata(settings.landing)
    found = {}
    for file in files.files:
        facts = metadata.of(file.source)
        beside = sidecars(settings.landing).of(file.source)
        lines = [
            read_transcript((settings.landing / one.source).read_bytes(), one.source, GivenText()) for one in beside
        ]
        found[Path(file.source).name[:4]] = facts.get("transcript") or lines[0].lines[0].text
        assert soundfile.info(settings.landing / file.source).frames == 4800
        if name in _WITH_SPEAKERS:
            assert facts["speaker"] == "spk-1"
    wanted = {key: " ".join(text.split()) for key, text in export_clips.TEXTS.items() if key[:2] == "r1"}
    if name == "gpt-sovits":
        wanted["r1-3"] = wanted["r1-3"].replace("|", "｜")
    assert {key: " ".join(text.split()) for key, text in found.items()} == wanted


def test_kaldi_segments_become_timed_lines_of_one_recording(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.wav").write_bytes(export_clips.sound("r1-1", "wav"))
    (folder / "wav.scp").write_text("rec a.wav\n")
    (folder / "segments").write_text("u1 rec 0.00 0.10\nu2 rec 0.15 0.30\n")
    (folder / "text").write_text("u1 買 白菜 & 魚\nu2 <好>\n", encoding="utf-8")
    (folder / "utt2spk").write_text("u1 Ann\nu2 Ben\n")
    settings = Settings(workspace=tmp_path / "work")
    assert land(settings, "kaldi", folder, "yue", "theirs").recordings == 1
    (file,) = scan(settings.landing).files
    (beside,) = sidecars(settings.landing).of(file.source)
    lines = read_transcript((settings.landing / beside.source).read_bytes(), beside.source, GivenText()).lines
    assert [(line.start, line.end, line.speaker) for line in lines] == [(0.0, 0.1, "Ann"), (0.15, 0.3, "Ben")]
    assert lines[0].text == "買 白菜 & 魚"


def test_landing_again_changes_nothing_and_other_files_are_not_overwritten(tmp_path: Path) -> None:
    EXPORTS["nemo"].writer(tmp_path / "out", Options("wav")).write(export_clips.clips("wav"))
    settings = Settings(workspace=tmp_path / "work")
    for _ in range(2):
        land(settings, "nemo", tmp_path / "out" / "train_manifest.json", "yue", "theirs")
    held = {file: file.read_bytes() for file in settings.landing.rglob("*") if file.is_file()}
    with pytest.raises(CannotLand, match="of other files"):
        land(settings, "nemo", tmp_path / "out" / "dev_manifest.json", "yue", "theirs")
    assert {file: file.read_bytes() for file in settings.landing.rglob("*") if file.is_file()} == held


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"audio_filepath": "a.wav"}', "line 1 needs audio_filepath and text"),
        ("audio.wav|x", "line 1 is not JSON"),
        ("[1]", "not a JSON object"),
        ('{"audio_filepath": "gone.wav", "text": "x"}', "none of its 1 sound files is there"),
        ('{"audio_filepath": "a.wav", "text": "x", "offset": "soon", "duration": 1}', "offset is 'soon'"),
        ("", "names no sound"),
    ],
)
def test_a_list_that_cannot_be_landed_says_where_and_why(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "list.json").write_text(content)
    with pytest.raises(CannotLand, match=words):
        land(Settings(workspace=tmp_path / "work"), "nemo", tmp_path / "list.json", "yue", "theirs")
    assert not (tmp_path / "work").exists()


def test_a_command_in_wav_scp_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "wav.scp").write_text(f"a touch {tmp_path}/ran |\n")
    (tmp_path / "text").write_text("a x\n")
    with pytest.raises(CannotLand, match="has a command, which is not run"):
        land(Settings(workspace=tmp_path / "work"), "kaldi", tmp_path, "yue", "theirs")
    assert not (tmp_path / "ran").exists()


def test_ctm_gives_lines_that_end_at_pauses() -> None:
    content = "a 1 0.0 0.2 買 0.9\na 1 0.2 0.2 菜\na 1 0.5 0.3 OK\na 1 0.8 0.2 la\n;; note\na 1 2.0 0.2 好\n"
    lines = read_transcript(content.encode(), "a.ctm", GivenText()).lines
    assert [(line.start, line.end, line.text) for line in lines] == [(0.0, 1.0, "買菜 OK la"), (2.0, 2.2, "好")]


def test_the_ctm_of_an_export_is_read_back(tmp_path: Path) -> None:
    EXPORTS["ctm"].writer(tmp_path, Options()).write(export_clips.clips())
    lines = read_transcript((tmp_path / "r2.ctm").read_bytes(), "r2.ctm", GivenText()).lines
    assert [line.text for line in lines] == ["早上好", "您了，"]


def test_stm_gives_lines_with_speakers() -> None:
    content = "a 1 Ann 0.0 1.5 <o,f0> 買菜\na 1 Ben 1.5 2.0 ignore_time_segment_in_scoring\na 1 Ben 2.0 3.0 好 啊\n"
    lines = read_transcript(content.encode(), "a.stm", GivenText()).lines
    assert [(line.start, line.end, line.speaker, line.text) for line in lines] == [
        (0.0, 1.5, "Ann", "買菜"),
        (2.0, 3.0, "Ben", "好 啊"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.ctm", "a 1 0 1 x\nb 1 0 1 y\n", "of 2 recordings"),
        ("a.ctm", "a 1 zero 1 x\n", "line 1 does not have"),
        ("a.stm", "a 1 Ann 0\n", "line 1 does not have"),
        ("a.stm", "a 1 Ann 0 1 x\nb 1 Ann 0 1 y\n", "of 2 recordings"),
    ],
)
def test_a_ctm_or_stm_that_is_not_of_this_recording_is_refused(name: str, content: str, words: str) -> None:
    with pytest.raises(TranscriptError, match=words):
        read_transcript(content.encode(), name, GivenText())


@pytest.mark.parametrize(
    ("name", "file", "content", "words"),
    [
        ("huggingface", "x.parquet", b"PAR1 no", "x.parquet cannot be read"),
        ("webdataset", "x.tar", b"no tar at all", "x.tar cannot be read"),
        ("lhotse", "x.jsonl.gz", b"no gzip", "cannot be read"),
        ("lhotse", "x.jsonl", b'{"recording": {"sources": []}}', "line 1 is no cut with a sound file"),
        ("huggingface", "", b"", "has no .parquet file"),
    ],
)
def test_a_dataset_that_cannot_be_landed_says_which_file(
    tmp_path: Path, name: str, file: str, content: bytes, words: str
) -> None:
    path = tmp_path / "theirs" / file
    path.parent.mkdir(exist_ok=True)
    if file:
        path.write_bytes(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    with pytest.raises(CannotLand, match=words):
        land(Settings(workspace=tmp_path / "work"), name, path, "yue", "theirs")


def test_cuts_of_one_recording_become_timed_lines(tmp_path: Path) -> None:
    from lhotse import CutSet, MonoCut, Recording, SupervisionSegment

    sound = tmp_path / "long.wav"
    sound.write_bytes(export_clips.sound("r1-1", "wav"))
    recording = Recording.from_file(sound)
    cuts = [
        MonoCut(f"c{place}", start, 0.1, 0, [SupervisionSegment(f"s{place}", "long", 0, 0.1, text=text, speaker="Ann")])
        for place, (start, text) in enumerate(((0.0, "買"), (0.2, "菜")))
    ]
    for cut in cuts:
        cut.recording = recording
    CutSet.from_cuts(cuts).to_file(tmp_path / "cuts.jsonl")
    settings = Settings(workspace=tmp_path / "work")
    assert land(settings, "lhotse", tmp_path / "cuts.jsonl", "yue", "theirs").recordings == 1
    (file,) = scan(settings.landing).files
    (beside,) = sidecars(settings.landing).of(file.source)
    lines = read_transcript((settings.landing / beside.source).read_bytes(), beside.source, GivenText()).lines
    assert [(round(line.start or 0, 3), round(line.end or 0, 3), line.speaker, line.text) for line in lines] == [
        (0.0, 0.1, "Ann", "買"),
        (0.2, 0.3, "Ann", "菜"),
    ]
