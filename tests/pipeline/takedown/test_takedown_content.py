"""Claims about takedowns and files that nobody listed: words, names and sound are found in whatever holds them."""

from __future__ import annotations

import base64
import bz2
import csv
import gzip
import io
import json
import shutil
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import av
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import small_workspace as small
import soundfile
from small_workspace import ANN, BEN, FOLDER, RATE, TEXTS
from typer.testing import CliRunner

from cli.main import app
from pipeline.audio import clips
from pipeline.lake.lake import Lake, Part, Parts
from pipeline.lake.rows import to_table
from pipeline.settings import Engine, Settings
from pipeline.takedown import takedown
from pipeline.takedown.content.kinds import kind_of
from pipeline.takedown.report import Report, make_report

pytestmark = pytest.mark.slow

WORDS, OTHERS = TEXTS[ANN], "他们说的是别的话"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return small.build(tmp_path_factory.mktemp("built") / "workspace")


@pytest.fixture
def settings(built: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(built.root, tmp_path / "workspace", copy_function=shutil.copy2)
    return Settings(workspace=tmp_path / "workspace", engine=Engine(workers=1))


def put(settings: Settings, place: str, content: bytes) -> Path:
    file = settings.root / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def take_ann(settings: Settings) -> Report:
    plan, inventory = takedown.take_down(settings, "speaker", "Ann")
    return make_report(settings, plan, inventory)


def ann_samples(settings: Settings, start: float = 1.0, end: float = 4.0) -> np.ndarray:
    return clips.read(settings.landing / FOLDER / "solo.wav")[round(start * RATE) : round(end * RATE)]


def ben_samples(settings: Settings) -> np.ndarray:
    return clips.read(settings.landing / FOLDER / "other.wav")[RATE : 4 * RATE]


def encoded(samples: np.ndarray, rate: int, codec: str, container: str) -> bytes:
    """The samples as MP3, Opus and the like."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        frame = av.AudioFrame.from_ndarray(clips.to_int16(samples)[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        resampler = av.AudioResampler(
            format=stream.format.name, layout="mono", rate=rate, frame_size=stream.frame_size or None
        )
        for resampled in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(resampled))
        output.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_loses_the_rows_with_withdrawn_words_in_any_encoding(
    settings: Settings, encoding: str, delimiter: str
) -> None:
    rows = [["text", "seconds"], [f"{WORDS}。", "2"], [OTHERS, "3"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    file = put(settings, "mine/segments.csv", text.getvalue().encode(encoding))
    report = take_ann(settings)
    assert report.complete, report.not_searched
    left = list(csv.reader(io.StringIO(file.read_bytes().decode(encoding)), delimiter=delimiter))
    assert left == [rows[0], rows[2]]


def test_lines_and_lists_lose_their_withdrawn_records_and_keep_the_rest(settings: Settings) -> None:
    rows = [{"text": WORDS}, {"text": OTHERS}, {"who": "Ann", "say": "好"}]
    lines = put(settings, "export/lines.jsonl", b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    array = put(settings, "export/corpus.json", json.dumps(rows, ensure_ascii=False).encode())
    listed = put(
        settings, "export/train.list", f"a.wav|Ann|ZH|好\nb.wav|x|ZH|{WORDS}\nc.wav|Ben|ZH|{OTHERS}\n".encode()
    )
    take_ann(settings)
    assert [json.loads(line) for line in lines.read_bytes().splitlines()] == [rows[1]]
    assert json.loads(array.read_bytes()) == [rows[1]]
    assert listed.read_text(encoding="utf-8") == f"c.wav|Ben|ZH|{OTHERS}\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.srt", f"1\n00:00:00,000 --> 00:00:02,000\n{WORDS}\n"),
        ("notes.TextGrid", f'text = "{WORDS}"'),
        ("notes.eaf", f"<ANNOTATION_VALUE>{WORDS}</ANNOTATION_VALUE>"),
        ("notes.json", json.dumps({"segments": [{"text": WORDS}]}, indent=1)),
        ("wrapped.txt", f"{WORDS[:5]}\n{WORDS[5:]}\n"),
        ("page.htm", "<!DOCTYPE html><html><audio src='data:audio/flac;base64,AAAA'></audio></html>"),
        ("page", "<html><body><audio></audio></body></html>"),
        ("page.xhtml", '<?xml version="1.0"?>\n<html><audio></audio></html>'),
        ("words.docx.xml", f"<w:t>{WORDS[:4]}</w:t><w:t>{WORDS[4:]}</w:t>"),
    ],
)
def test_what_cannot_be_cut_by_rows_goes_whole(settings: Settings, name: str, content: str) -> None:
    file = put(settings, f"mine/{name}", content.encode())
    report = take_ann(settings)
    assert not file.exists()
    assert report.complete


def test_files_of_others_stay_byte_by_byte(settings: Settings) -> None:
    mp3 = encoded(ben_samples(settings), RATE, "mp3", "mp3")
    contents = {
        "mine/notes.md": f"# Notes\n\n{OTHERS}\n".encode(),
        "mine/ben.mp3": mp3,
        "mine/manual.htm": b"<html><body>How to record</body></html>",
        "mine/table.tsv": f"a\tb\n{OTHERS}\t1\n".encode("utf-16"),
        "mine/two.json": json.dumps([OTHERS]).encode(),
    }
    files = {put(settings, place, content): content for place, content in contents.items()}
    report = take_ann(settings)
    assert report.complete, report.not_searched
    assert {file: file.read_bytes() for file in files} == files


@pytest.mark.parametrize(
    ("codec", "container", "rate"),
    [("pcm_s16le", "wav", 16_000), ("pcm_mulaw", "wav", 8_000), ("mp3", "mp3", 44_100), ("libopus", "ogg", 48_000)],
)
def test_clips_of_withdrawn_sound_go_in_any_encoding(settings: Settings, codec: str, container: str, rate: int) -> None:
    quieter = 0.4 * ann_samples(settings)
    file = put(settings, "mine/clip.bin", encoded(quieter, rate, codec, container))
    inside = put(settings, "mine/long.wav", b"")
    soundfile.write(inside, np.concatenate([ben_samples(settings), quieter, ben_samples(settings)]), RATE)
    take_ann(settings)
    assert not file.exists()
    assert not inside.exists()


def test_tables_without_ids_lose_rows_by_words_and_by_sound(settings: Settings) -> None:
    sounds = [clips.encode_flac(samples, RATE) for samples in (ann_samples(settings), ben_samples(settings))]
    content = pa.table({"sound": sounds, "n": [0, 1]})
    words = pa.table({"sentence": [WORDS, OTHERS], "n": [0, 1]})
    (settings.root / "mine").mkdir()
    folder = settings.root / "mine"
    pq.write_table(content, folder / "audio.parquet")
    pq.write_table(content, folder / "audio.parquet.bak")
    pyarrow.feather.write_feather(words, folder / "words.feather")
    with pa.ipc.new_stream(folder / "words.arrow", words.schema) as sink:
        sink.write_table(words)
    report = take_ann(settings)
    assert report.complete, report.not_searched
    for name in ("audio.parquet", "audio.parquet.bak"):
        assert pq.read_table(folder / name).to_pylist() == [{"sound": sounds[1], "n": 1}], name
    assert pyarrow.feather.read_table(folder / "words.feather").to_pylist() == [{"sentence": OTHERS, "n": 1}]
    with pa.ipc.open_stream(folder / "words.arrow") as stream:
        assert stream.read_all().to_pylist() == [{"sentence": OTHERS, "n": 1}]


def _zip(file: Path, name: str, content: bytes) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)


def _tar(file: Path, name: str, content: bytes) -> None:
    with tarfile.open(file, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.zip", _zip),
        ("a.tar.gz", _tar),
        ("a.gz", lambda file, _, content: file.write_bytes(gzip.compress(content))),
        ("a.bz2", lambda file, _, content: file.write_bytes(bz2.compress(content))),
    ],
)
def test_archives_with_withdrawn_members_go_and_others_stay(
    settings: Settings, name: str, pack: Callable[[Path, str, bytes], None]
) -> None:
    (settings.root / "mine").mkdir()
    sounds = [clips.encode_flac(samples, RATE) for samples in (ann_samples(settings), ben_samples(settings))]
    for place, member, content in (
        ("words", "x.txt", WORDS.encode("gb18030")),
        ("sound", "x.dat", sounds[0]),
        ("ben", "x.dat", sounds[1]),
    ):
        pack(settings.root / "mine" / f"{place}-{name}", member, content)
    report = take_ann(settings)
    assert report.complete, report.not_searched
    assert [file.name for file in (settings.root / "mine").iterdir()] == [f"ben-{name}"]


def test_databases_with_withdrawn_rows_go_and_others_stay(settings: Settings) -> None:
    (settings.root / "mine").mkdir()
    for name, words in (("one", WORDS), ("two", OTHERS)):
        with sqlite3.connect(settings.root / "mine" / f"{name}.sqlite") as lite:
            lite.execute("CREATE TABLE said (words TEXT)")
            lite.execute("INSERT INTO said VALUES (?)", [words])
        lite.close()
        with duckdb.connect(str(settings.root / "mine" / f"{name}.duckdb")) as duck:
            duck.execute("CREATE TABLE said (words TEXT)")
            duck.execute("INSERT INTO said VALUES (?)", [words])
    report = take_ann(settings)
    assert report.complete, report.not_searched
    assert sorted(file.name for file in (settings.root / "mine").iterdir()) == ["two.duckdb", "two.sqlite"]


def test_what_cannot_be_searched_is_listed_and_the_exit_code_tells(settings: Settings) -> None:
    blob = put(settings, "mine/blob.bin", bytes(range(256)) * 40)
    locked = put(settings, "mine/locked.zip", b"")
    _zip(locked, "x.txt", WORDS.encode())
    content = bytearray(locked.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + offset] |= 1
    locked.write_bytes(content)
    elsewhere = settings.root.parent / "elsewhere"
    elsewhere.mkdir()
    (settings.root / "linked").symlink_to(elsewhere)
    result = CliRunner().invoke(app, ["takedown", "--speaker", "Ann", "--workspace", str(settings.root)])
    assert result.exit_code == 3, result.output
    assert "is done" not in result.output
    for place in ("mine/blob.bin", "mine/locked.zip", "linked"):
        assert f"could not be searched: {place}" in result.output
    assert "Dagster's event log" in result.output
    assert blob.exists()
    (report,) = (settings.root / "takedowns").glob("*-report.json")
    kept = json.loads(report.read_bytes())
    assert kept["complete"] is False
    assert sorted(kept["not_searched"]) == ["linked", "mine/blob.bin", "mine/locked.zip"]
    assert kept["may_remain"]
    assert not list((settings.root / "takedowns").glob("*.npz"))
    assert takedown.finish_pending(settings) == []


def test_a_name_in_free_text_is_listed_and_stays(settings: Settings) -> None:
    file = put(settings, "mine/diary.md", b"Today we met Ann at the market.\nAnnual report follows.\n")
    report = take_ann(settings)
    assert report.mentions == ["mine/diary.md"]
    assert not report.complete
    assert file.exists()


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-8-sig"])
def test_metadata_in_any_encoding_lose_their_lines(settings: Settings, encoding: str) -> None:
    text = f"file_name;speaker;transcript\nsolo.wav;安娜;{WORDS}\nother.wav;本;{OTHERS}\n"
    file = put(settings, f"landing/{FOLDER}/metadata.csv", text.encode(encoding))
    beside = [
        put(settings, f"landing/{FOLDER}/{name}", b"whatever") for name in ("solo.txt", "solo.wav.json", "solo.zh.srt")
    ]
    other = put(settings, f"landing/{FOLDER}/other.txt", OTHERS.encode())
    takedown.take_down(settings, "recording", small.recording_id(settings, "solo"))
    assert file.read_bytes().decode(encoding) == f"file_name;speaker;transcript\nother.wav;本;{OTHERS}\n"
    assert not any(one.exists() for one in beside)
    assert other.exists()


def test_parts_of_a_validation_set_go_by_reference_and_by_model(settings: Settings) -> None:
    lake = Lake(settings.lake)
    utterances = lake.rows("validation_set")
    solo = small.recording_id(settings, "solo")
    copies = [row for row in utterances if row["reference_recording_id"] == solo]
    others = [row for row in utterances if row["reference_recording_id"] == small.recording_id(settings, "other")]
    parts = Parts(lake, "validate", small.DIALECT, "validation_set")
    for source, rows in (("copy", copies), ("stays", others), ("tainted", [others[0] | {"model_id": "tianjin-1"}])):
        parts.put(Part(source, "p", to_table("validation_set", rows), [], []))
    takedown.take_down(settings, "recording", solo)
    assert [part.source for part in parts.read()] == ["stays"]


def test_words_that_others_say_too_take_nothing_of_theirs(settings: Settings) -> None:
    file = put(settings, "mine/ben.csv", f"text\n{TEXTS[BEN]}\n".encode())
    takedown.take_down(settings, "recording", small.recording_id(settings, "duo"))
    assert TEXTS[BEN] in file.read_text(encoding="utf-8")


def test_a_transcript_in_which_another_says_the_same_sentence_among_others_stays(settings: Settings) -> None:
    lake, longer = Lake(settings.lake), f"{TEXTS[BEN]}。{WORDS}！"
    other = small.recording_id(settings, "other")
    for partition in lake.partitions("segments"):
        rows = lake.rows("segments", partition)
        said = [row | ({"text": longer} if row["recording_id"] == other else {}) for row in rows]
        lake.write("segments", partition, said)
    file = put(settings, f"landing/{FOLDER}/other.txt", f"{longer}\n".encode())
    own = put(settings, f"landing/{FOLDER}/solo.txt", f"{WORDS}\n".encode())
    take_ann(settings)
    assert file.read_text(encoding="utf-8") == f"{longer}\n"
    assert not own.exists()


def test_text_beside_a_recording_is_looked_for_elsewhere(settings: Settings) -> None:
    put(settings, f"landing/{FOLDER}/solo.srt", "1\n00:00:00,000 --> 00:00:02,000\n我叫张三住在天津\n".encode())
    copy = put(settings, "mine/copy.txt", "我叫张三，住在天津\n".encode("gb18030"))
    other = put(settings, "mine/other.srt", "1\n00:00:00,000 --> 00:00:02,000\n我住在北京\n".encode())
    takedown.take_down(settings, "recording", small.recording_id(settings, "solo"))
    assert not copy.exists()
    assert other.exists()


def test_tables_with_ids_of_somebody_else_lose_rows_by_words(settings: Settings) -> None:
    (settings.root / "mine").mkdir()
    file = settings.root / "mine" / "own.parquet"
    pq.write_table(pa.table({"recording_id": ["r1", "r2"], "text": [WORDS, OTHERS]}), file)
    take_ann(settings)
    assert pq.read_table(file)["recording_id"].to_pylist() == ["r2"]


def test_a_speaker_called_by_a_number_takes_no_rows_of_numbers(settings: Settings) -> None:
    lake = Lake(settings.lake)
    rows = lake.rows("recordings", "b00001")
    for row in rows:
        row["metadata"] = {"speaker": "1" if "solo" in row["source"] else "2"}
    lake.write("recordings", "b00001", rows)
    file = put(settings, "mine/numbers.csv", b"a,b\n1,x\n2,y\n")
    takedown.take_down(settings, "speaker", "1")
    assert file.read_bytes() == b"a,b\n1,x\n2,y\n"


def test_columns_with_blanks_lose_the_rows_with_the_name(settings: Settings) -> None:
    file = put(settings, "mine/turns.rttm", b"SPEAKER x 1 0.0 4.0 Ann\nSPEAKER x 1 4.0 4.0 Ben\n")
    take_ann(settings)
    assert file.read_bytes() == b"SPEAKER x 1 4.0 4.0 Ben\n"


def test_a_link_to_a_file_elsewhere_is_listed(settings: Settings) -> None:
    elsewhere = settings.root.parent / "far.txt"
    elsewhere.write_text(WORDS, encoding="utf-8")
    (settings.root / "near.txt").symlink_to(elsewhere)
    assert list(take_ann(settings).not_searched) == ["near.txt"]


def test_sound_inside_of_a_text_is_found(settings: Settings) -> None:
    data = base64.b64encode(clips.encode_flac(ann_samples(settings), RATE)).decode()
    other = base64.b64encode(clips.encode_flac(ben_samples(settings), RATE)).decode()
    file = put(settings, "mine/clips.jsonl", f'{{"n":1,"audio":"{data}"}}\n{{"n":2,"audio":"{other}"}}\n'.encode())
    take_ann(settings)
    assert [json.loads(line)["n"] for line in file.read_bytes().splitlines()] == [2]


@pytest.mark.parametrize("content", [bytes(range(256)), b"\x01\x00\x02\x00" * 99, b"\x05\xff\x00\x00" * 99])
def test_bytes_of_no_kind_are_no_text(content: bytes) -> None:
    assert kind_of(content) == "unknown"


def test_mail_with_withdrawn_words_inside_goes(settings: Settings) -> None:
    body = base64.encodebytes(f"{OTHERS}{WORDS}".encode() * 5)
    file = put(settings, "mine/mail.eml", b"Content-Transfer-Encoding: base64\n\n" + body)
    take_ann(settings)
    assert not file.exists() or WORDS.encode() not in base64.decodebytes(file.read_bytes().partition(b"\n\n")[2])


@pytest.mark.parametrize(
    "content", [b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", b"{\\rtf1 {\\u26089?}}", b"7z\xbc\xaf\x27\x1c\x00"]
)
def test_documents_that_hide_their_text_are_listed(settings: Settings, content: bytes) -> None:
    put(settings, "mine/document", content)
    assert list(take_ann(settings).not_searched) == ["mine/document"]


def test_a_takedown_that_was_interrupted_still_knows_the_words(settings: Settings) -> None:
    broken = put(settings, "mine/broken.parquet", b"PAR1 no more")
    with pytest.raises(takedown.TakedownIncomplete):
        take_ann(settings)
    late = put(settings, "mine/late.txt", WORDS.encode())
    sound = put(settings, "mine/late.wav", b"")
    rng = np.random.default_rng(list(b"solo"))
    soundfile.write(sound, (0.2 * rng.standard_normal(4 * RATE)).clip(-0.99, 0.99), RATE)
    broken.unlink()
    assert len(takedown.finish_pending(settings)) == 1
    assert not late.exists()
    assert not sound.exists()
    assert WORDS not in "".join(file.read_text() for file in (settings.root / "takedowns").iterdir())


def test_rows_that_have_the_name_of_a_withdrawn_file_as_an_id_go(settings: Settings) -> None:
    lake = Lake(settings.lake)
    rows = lake.rows("recordings", "b00001")
    for row in rows:
        row["source"] = row["source"].replace("solo", "market-001").replace("other", "market-002")
    lake.write("recordings", "b00001", rows)
    file = put(settings, "mine/utt2spk", b"market-001 x\nmarket-002 y\nmarket-0011 z\n")
    takedown.take_down(settings, "recording", small.recording_id(settings, "solo"))
    assert file.read_bytes() == b"market-002 y\nmarket-0011 z\n"


def test_of_a_shared_recording_exports_keep_the_rows_of_the_other_speaker(settings: Settings) -> None:
    rows = Lake(settings.lake).rows("segments", None, ("segment_id", "recording_id", "local_speaker", "text"))
    words = [{name: row[name] for name in ("segment_id", "recording_id", "text")} for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(words[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(words)
    table = put(settings, "mine/segments.csv", text.getvalue().encode())
    feather = settings.root / "mine" / "segments.feather"
    pyarrow.feather.write_feather(pa.Table.from_pylist(words), feather)
    takedown.take_down(settings, "speaker", small.speaker_id(settings, ANN))
    left = {row["segment_id"] for row in Lake(settings.lake).rows("segments", None, ("segment_id",))}
    assert len(left) == 3
    assert {row["segment_id"] for row in csv.DictReader(io.StringIO(table.read_text(encoding="utf-8")))} == left
    assert set(pyarrow.feather.read_table(feather)["segment_id"].to_pylist()) == left
