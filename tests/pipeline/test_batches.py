"""Claims about batches: every landed file comes into exactly one, or somebody is told why not."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import batches
from pipeline.lake.files import file_sha256
from pipeline.lake.lake import Lake
from pipeline.rights.consents import METADATA_PROBLEM
from pipeline.settings import Batches, Settings

Plan = Callable[..., list[str]]
HOUR = 3600.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(workspace=tmp_path, batches=Batches(hours=3 / HOUR, settle_seconds=30, max_wait_hours=24))


@pytest.fixture
def plan(settings: Settings) -> Plan:
    """plan(later=seconds from now, ...) plans over the workspace's landing folder."""

    def run(later: float = 60.0, close_all: bool = False, limit: int | None = None) -> list[str]:
        return batches.plan(settings.landing, settings.root, settings, time.time() + later, close_all, limit)

    return run


@pytest.fixture
def land(settings: Settings, encode: Callable[..., Path]) -> Callable[..., Path]:
    """land(source, seconds) puts a file of that length into the landing folder."""

    def put(source: str, seconds: float = 1.0) -> Path:
        plain = encode(settings.root / "plain.wav", np.full(round(seconds * 8000), 0.1, np.float32), 8000)
        path = settings.landing / source
        path.parent.mkdir(parents=True, exist_ok=True)
        return plain.rename(path)

    return put


def sources(settings: Settings, batch: str) -> list[str]:
    return [recording.source for recording in batches.recordings(settings.landing, settings.root, batch)]


def reasons(settings: Settings) -> dict[str, str]:
    return {problem.source: problem.reason for problem in batches.problems(settings.landing)}


def test_a_batch_closes_when_it_holds_its_hours(settings: Settings, plan: Plan, land: Callable[..., Path]) -> None:
    for number in range(7):
        land(f"yue/tv/{number}.wav")
    assert plan() == ["b00001", "b00002"]
    assert sources(settings, "b00001") == ["yue/tv/0.wav", "yue/tv/1.wav", "yue/tv/2.wav"]
    assert plan() == []
    assert plan(close_all=True) == ["b00003"]
    assert sources(settings, "b00003") == ["yue/tv/6.wav"]
    assert plan(close_all=True) == []
    assert batches.names(settings.root) == ["b00001", "b00002", "b00003"]


def test_a_batch_that_is_not_full_closes_when_it_has_waited(plan: Plan, land: Callable[..., Path]) -> None:
    land("yue/tv/a.wav")
    assert plan(later=23 * HOUR) == []
    assert plan(later=25 * HOUR) == ["b00001"]


def test_at_most_limit_batches_are_made_and_the_rest_later(plan: Plan, land: Callable[..., Path]) -> None:
    for number in range(5):
        land(f"yue/tv/{number}.wav", 3.0)
    assert plan(limit=2) == ["b00001", "b00002"]
    assert plan(limit=2) == ["b00003", "b00004"]
    assert plan(limit=2) == ["b00005"]


def test_a_file_that_may_still_be_written_waits(plan: Plan, land: Callable[..., Path]) -> None:
    path = land("yue/tv/a.wav", 5.0)
    assert plan(later=5) == []
    os.utime(path, (time.time() + 1e6, time.time() + 1e6))
    assert plan(later=5) == []
    assert plan(later=60) == ["b00001"]
    land("yue/tv/b.wav", 5.0)
    assert plan(later=0, close_all=True) == ["b00002"]


def test_a_changed_file_lands_again_and_leaves_its_old_batch(
    settings: Settings, plan: Plan, land: Callable[..., Path]
) -> None:
    land("yue/tv/a.wav"), land("yue/tv/b.wav")
    assert plan(close_all=True) == ["b00001"]
    land("yue/tv/a.wav", 2.0)
    assert plan(close_all=True) == ["b00002"]
    assert sources(settings, "b00001") == ["yue/tv/b.wav"]
    assert sources(settings, "b00002") == ["yue/tv/a.wav"]


def test_a_work_item_says_what_the_manifest_and_the_metadata_say(
    settings: Settings, plan: Plan, land: Callable[..., Path]
) -> None:
    path = land("zh/tv/news/a.wav", 1.5)
    (settings.landing / "zh/tv/metadata.csv").write_text("file_name,speaker,region\nnews/a.wav,阿明,天津\n", "utf-8")
    (settings.landing / "zh/tv/news/metadata.jsonl").write_text('{"file_name": "a.wav", "region": "四川", "age": 30}')
    plan(close_all=True)
    (recording,) = batches.recordings(settings.landing, settings.root, "b00001")
    assert (recording.dialect, recording.collection, recording.batch) == ("cmn", "tv", "b00001")
    assert recording.duration == pytest.approx(1.5)
    assert (recording.size, recording.mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns)
    assert recording.path == str(path)
    assert recording.metadata == {"speaker": "阿明", "region": "四川", "age": "30"}


def test_what_is_not_audio_is_in_a_batch_too_so_that_it_is_quarantined(
    settings: Settings, plan: Plan, land: Callable[..., Path]
) -> None:
    land("yue/tv/a.wav")
    (settings.landing / "yue/tv/empty.wav").touch()
    (settings.landing / "yue/tv/notes.wav").write_text("hello")
    plan(close_all=True)
    assert sources(settings, "b00001") == ["yue/tv/a.wav", "yue/tv/empty.wav", "yue/tv/notes.wav"]


def test_hidden_files_metadata_and_consents_are_no_recordings(
    settings: Settings, plan: Plan, land: Callable[..., Path]
) -> None:
    land("yue/tv/.hidden.wav"), land("yue/.cache/x/a.wav"), land(".trash/tv/a.wav")
    (settings.landing / "consents.jsonl").write_text("")
    (settings.landing / "yue/tv/metadata.csv").write_text("file_name\n")
    assert plan(close_all=True) == []
    assert reasons(settings) == {}


def test_files_that_no_batch_takes_are_listed_with_the_reason(
    settings: Settings, plan: Plan, land: Callable[..., Path], tmp_path: Path
) -> None:
    land("yue/tv/good.wav"), land("cantonese/tv/a.wav"), land("yue/a.wav"), land("a.wav")
    outside = tmp_path / "outside"
    outside.mkdir()
    land("yue/tv/moved.wav").rename(outside / "secret.wav")
    (settings.landing / "yue/tv/link.wav").symlink_to(outside / "secret.wav")
    (settings.landing / "yue/links").symlink_to(outside)
    (settings.landing / "yue/again").symlink_to(settings.landing / "yue/tv")
    (settings.landing / "yue/tv/broken.wav").symlink_to(settings.landing / "yue/tv/nowhere.wav")
    (settings.landing / "yue/tv/loop.wav").symlink_to(settings.landing / "yue/tv/loop.wav")
    (settings.landing / "yue/tv/inside.wav").symlink_to("good.wav")
    os.mkfifo(settings.landing / "yue/tv/pipe.wav")
    Path(os.fsdecode(os.fsencode(settings.landing) + b"/yue/tv/\xff\xfe.wav")).write_bytes(b"x")
    plan(close_all=True)
    assert sorted(sources(settings, "b00001")) == ["yue/tv/good.wav", "yue/tv/inside.wav"]
    assert reasons(settings) == {
        "a.wav": "misplaced",
        "yue/a.wav": "misplaced",
        "cantonese/tv/a.wav": "unknown_dialect",
        "yue/again": "link_to_folder",
        "yue/links": "link_outside",
        "yue/tv/link.wav": "link_outside",
        "yue/tv/broken.wav": "unreadable",
        "yue/tv/loop.wav": "unreadable",
        "yue/tv/pipe.wav": "not_a_file",
        "yue/tv/\ufffd\ufffd.wav": "bad_name",
    }
    (unknown,) = [one for one in batches.problems(settings.landing) if one.reason == "unknown_dialect"]
    assert "yue" in unknown.message


def test_a_batch_lists_the_oldest_file_first(settings: Settings, plan: Plan, land: Callable[..., Path]) -> None:
    for name, age in [("a", 10), ("b", 30), ("c", 20), ("d", 20)]:
        os.utime(land(f"yue/tv/{name}.wav"), ns=(0, 10**18 - age * 10**9))
    plan(close_all=True)
    assert sources(settings, "b00001") == ["yue/tv/b.wav", "yue/tv/c.wav", "yue/tv/d.wav"]
    assert sources(settings, "b00002") == ["yue/tv/a.wav"]


def test_odd_names_come_through_the_manifest(settings: Settings, plan: Plan, land: Callable[..., Path]) -> None:
    odd = sorted(["a b", "方言", 'it\'s "q"', "new\nline", "-rf", "🎙", "x" * 240, "\u2028"])
    for name in odd:
        land(f"yue/tv/{name}.wav", 0.1)
    plan(close_all=True)
    assert sorted(sources(settings, "b00001")) == sorted(f"yue/tv/{name}.wav" for name in odd)


@pytest.mark.parametrize(
    ("name", "data", "line", "kept"),
    [
        ("metadata.csv", b"name,speaker\na.wav,Ming\n", "line 1", False),
        ("metadata.csv", b"", "line 1", False),
        ("metadata.csv", b"file_name,speaker\na.wav,Ming\nb.wav,Li,extra\n", "line 3", True),
        ("metadata.csv", b"file_name,speaker\na.wav,Ming\nb.wav\n", "line 3", True),
        ("metadata.csv", b'file_name,speaker\na.wav,Ming\nb.wav,"Li\n', "line 3", True),
        ("metadata.csv", b"file_name,speaker\na.wav,Ming\n../../x.wav,Li\n", "line 3", True),
        ("metadata.csv", b"file_name,speaker\na.wav,Li\na.wav,Ming\n", "line 3", True),
        ("metadata.csv", b"file_name,speaker\na.wav,Ming\ngone.wav,Li\n", "line 3", True),
        ("metadata.csv", b"\xef\xbb\xbffile_name,speaker\r\na.wav,Ming\r\n", "", True),
        ("metadata.jsonl", b'{"file_name": "a.wav", "speaker": "Ming"}\n{oops\n', "line 2", True),
        ("metadata.jsonl", b'{"file_name": "a.wav", "speaker": "Ming"}\n[1]\n', "line 2", True),
        ("metadata.jsonl", b'{"file_name": "a.wav", "speaker": "Ming"}\n{"speaker": "Li"}\n', "line 2", True),
    ],
)
def test_broken_metadata_is_named_and_its_good_rows_are_used(
    name: str, data: bytes, line: str, kept: bool, settings: Settings, plan: Plan, land: Callable[..., Path]
) -> None:
    land("yue/tv/a.wav"), land("yue/tv/b.wav")
    (settings.landing / "yue/tv" / name).write_bytes(data)
    plan(close_all=True)
    found = {one.source: one for one in batches.recordings(settings.landing, settings.root, "b00001")}
    columns = {key: value for key, value in found["yue/tv/a.wav"].metadata.items() if key != METADATA_PROBLEM}
    assert columns == ({"speaker": "Ming"} if kept else {})
    problems = batches.problems(settings.landing)
    assert [line in problem.source for problem in problems] == [True] * (1 if line else 0)


def test_bad_consents_are_among_the_problems(settings: Settings, land: Callable[..., Path]) -> None:
    land("yue/tv/a.wav")
    (settings.landing / "consents.jsonl").write_text("{oops\n")
    assert reasons(settings) == {"consents.jsonl": "bad_consent"}


@pytest.mark.parametrize("evidence", ["yue/tv/interview.wav", "./yue/tv/interview.wav", "yue\\tv\\interview.wav"])
def test_a_recording_that_is_its_own_evidence_is_in_a_batch_and_a_form_is_not(
    evidence: str, settings: Settings, plan: Plan, land: Callable[..., Path]
) -> None:
    land("yue/tv/interview.wav"), land("yue/tv/talk.bin")
    (settings.landing / "yue/tv/form.pdf").write_bytes(b"%PDF-1.4 signed")
    land("consents/spoken.wav")
    lines = [
        {"consent_id": str(number), "recordings": ["yue/tv/*"], "scopes": ["asr"], "evidence": name}
        for number, name in enumerate((evidence, "yue/tv/form.pdf", "consents/spoken.wav", "yue/tv/talk.bin"))
    ]
    (settings.landing / "consents.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    plan(close_all=True)
    assert sorted(sources(settings, "b00001")) == ["yue/tv/interview.wav", "yue/tv/talk.bin"]
    assert reasons(settings) == {}


def test_a_planner_that_was_killed_leaves_nothing_behind(
    settings: Settings, plan: Plan, land: Callable[..., Path]
) -> None:
    folder = settings.root / "batches"
    folder.mkdir(parents=True)
    (folder / ".b00001.tmp").write_text('{"half')
    land("yue/tv/a.wav")
    assert plan(close_all=True) == ["b00001"]
    assert sorted(path.name for path in folder.iterdir()) == ["b00001.jsonl"]


def test_a_broken_manifest_is_named_with_its_line(settings: Settings, plan: Plan, land: Callable[..., Path]) -> None:
    land("yue/tv/a.wav")
    plan(close_all=True)
    manifest = settings.root / "batches/b00001.jsonl"
    assert json.loads(manifest.read_text())["source"] == "yue/tv/a.wav"
    manifest.write_text(manifest.read_text() + "{}\n")
    with pytest.raises(ValueError, match=r"b00001\.jsonl, line 2"):
        sources(settings, "b00001")
    with pytest.raises(ValueError, match="b00009"):
        sources(settings, "b00009")


def test_an_empty_or_missing_landing_zone_makes_no_batch(settings: Settings, plan: Plan) -> None:
    assert plan(close_all=True) == []
    settings.landing.mkdir()
    assert plan(close_all=True) == []
    assert batches.names(settings.root) == []


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", "a.txt", "a.srt", "a.TextGrid", "a.EAF", "cover.JPG"])
def test_side_files_are_no_recordings(name: str, settings: Settings, plan: Plan, land: Callable[..., Path]) -> None:
    land("yue/tv/a.wav")
    (settings.landing / "yue/tv" / name).write_bytes(b"RIFF beside")
    assert plan(close_all=True) == ["b00001"]
    assert sources(settings, "b00001") == ["yue/tv/a.wav"]
    assert reasons(settings) == {}


def test_a_moved_file_stays_in_its_batch_under_its_new_name(
    settings: Settings, plan: Plan, land: Callable[..., Path]
) -> None:
    path, other = land("yue/tv/a.wav"), land("yue/tv/b.wav", 2.0)
    assert plan(close_all=True) == ["b00001"]
    (settings.landing / "cmn/radio").mkdir(parents=True)
    path.rename(settings.landing / "cmn/radio/c.wav")
    assert plan(close_all=True) == []
    moved, stayed = batches.recordings(settings.landing, settings.root, "b00001")
    assert (moved.source, moved.dialect, moved.collection) == ("cmn/radio/c.wav", "cmn", "radio")
    assert stayed.source == other.relative_to(settings.landing).as_posix()
    assert plan(close_all=True) == []


def test_a_copy_takes_the_place_of_the_file_that_was_deleted(
    settings: Settings, plan: Plan, land: Callable[..., Path]
) -> None:
    path = land("yue/tv/a.wav")
    digest = file_sha256(path)
    assert plan(close_all=True) == ["b00001"]
    copy = settings.landing / "yue/tv/copy.wav"
    copy.write_bytes(path.read_bytes())
    assert plan(close_all=True) == ["b00002"]
    same = {"recording_id": "r", "file_sha256": digest, "provenance": "p"}
    for batch, row in (
        ("b00001", {"source": "yue/tv/a.wav", "status": "ok"}),
        ("b00002", {"source": "yue/tv/copy.wav", "status": "duplicate", "duplicate_of": "yue/tv/a.wav"}),
    ):
        Lake(settings.lake).write("recordings", batch, [same | row | {"batch": batch}])
    path.unlink()
    assert plan(close_all=True) == []
    assert sources(settings, "b00001") == ["yue/tv/copy.wav"]
    assert sources(settings, "b00002") == []


def test_a_copy_of_a_workspace_with_new_times_has_nothing_new(
    settings: Settings, plan: Plan, land: Callable[..., Path]
) -> None:
    path, other = land("cmn/a/x.wav"), land("cmn/a/y.wav")
    assert plan(close_all=True) == ["b00001"]
    rows = [
        {"source": f"cmn/a/{file.name}", "recording_id": file.name, "batch": "b00001", "status": "ok"}
        | {"provenance": "p", "file_sha256": file_sha256(file)}
        for file in (path, other)
    ]
    Lake(settings.lake).write("recordings", "b00001", rows)
    before = batches.recordings(settings.landing, settings.root, "b00001")
    for file in (path, other):
        os.utime(file, ns=(1_000_000_000, 1_000_000_000))
    other.write_bytes(other.read_bytes()[:-1] + b"\x01")
    assert batches.waiting(settings.landing, settings.root, settings).files == 1
    assert plan(close_all=True) == ["b00002"]
    assert sources(settings, "b00002") == ["cmn/a/y.wav"]
    (stays,) = batches.recordings(settings.landing, settings.root, "b00001")
    assert replace(stays, copied_ns=0) == before[0]
    assert stays.copied_ns == path.stat().st_mtime_ns
    assert plan(close_all=True) == []
    path.write_bytes(other.read_bytes())
    assert plan(close_all=True) == ["b00003"]
