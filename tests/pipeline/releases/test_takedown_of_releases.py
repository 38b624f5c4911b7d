"""A takedown reaches releases: the rows go, their hashes stay, the release says so, and who has a copy is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import small_workspace as small

from pipeline.lake.lake import Lake
from pipeline.releases.create import Wish, create
from pipeline.releases.export import export
from pipeline.releases.release import Release, open_release
from pipeline.releases.takedown import take_out
from pipeline.releases.verify import verify
from pipeline.settings import Settings
from pipeline.takedown import takedown
from pipeline.takedown.journal import TakedownIncomplete
from pipeline.takedown.report import Report, make_report

Copy = Callable[[Settings, Path], Settings]


@pytest.fixture(scope="module")
def built(published: Settings, copied: Copy, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two releases of three recordings of two speakers: `all`, and `words`, chosen by what Ann says."""
    settings = copied(published, tmp_path_factory.mktemp("built"))
    create(settings, Wish("all"))
    create(settings, Wish("words", where=f"text = '{small.TEXTS[small.ANN]}' OR text = '{small.TEXTS[small.BEN]}'"))
    out = settings.root.parent / "handed out"
    export(settings, open_release(settings, "all"), "voxcpm", out, to="the university")
    return settings


@pytest.fixture(scope="module")
def taken(built: Settings, copied: Copy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Report]:
    """The same after Ann was taken down."""
    settings = copied(built, tmp_path_factory.mktemp("taken"))
    plan, inventory = takedown.take_down(settings, "speaker", small.speaker_id(built, small.ANN))
    return settings, make_report(settings, plan, inventory)


def of_ann(release: Release) -> list[dict]:
    return [row for row in release.segments if row["text"] == small.TEXTS[small.ANN]]


def gone_from(before: Release, after: Release) -> set[str]:
    return {row["row_sha256"] for row in before.segments} - {row["row_sha256"] for row in after.segments}


def test_her_rows_leave_a_hash_and_nothing_else(built: Settings, taken: tuple[Settings, Report]) -> None:
    before, after = open_release(built, "all"), open_release(taken[0], "all")
    assert of_ann(before)
    assert not of_ann(after)
    # Somebody speaks at the same time as Ben once: that goes as well.
    gone = gone_from(before, after)
    assert {row["row_sha256"] for row in of_ann(before)} < gone
    kept = {row["segment_id"] for row in Lake(taken[0].lake).rows("segments")}
    assert {row["segment_id"] for row in after.segments} == kept
    left = [row for row in after.rows if row["taken_out_by"]]
    assert {row["row_sha256"] for row in left} == gone
    assert {name for row in left for name, value in row.items() if value is not None} == {"row_sha256", "taken_out_by"}
    assert len(after.segments) == len(before.segments) - len(gone)


def test_nothing_of_her_is_left_in_any_file_of_a_release(built: Settings, taken: tuple[Settings, Report]) -> None:
    theirs = {row["segment_id"].encode() for row in of_ann(open_release(built, "all"))}
    solo = small.recording_id(built, "solo").encode()
    for file in (taken[0].root / "releases").glob("*/*"):
        content = file.read_bytes() if file.suffix != ".parquet" else repr(pq.read_table(file).to_pylist()).encode()
        for secret in (small.TEXTS[small.ANN].encode(), solo, *theirs):
            assert secret not in content, file


def test_the_release_says_what_was_taken_out_and_its_hash_is_another(
    built: Settings, taken: tuple[Settings, Report]
) -> None:
    settings, _ = taken
    before, after = open_release(built, "all"), open_release(settings, "all")
    (note,) = after.document["taken_out"]
    assert note["segments"] == len(gone_from(before, after))
    assert (note["release_sha256_before"], note["was_sound_before"]) == (before.sha256, True)
    assert after.sha256 != before.sha256
    assert after.document["content_sha256"] == before.document["content_sha256"]
    assert after.document["figures"]["segments"] == len(after.segments)
    assert {one["consent_id"] for one in after.document["consents"]} == {"c-duo", "c-other"}
    assert note["takedown_id"] in (after.folder / "DATASHEET.md").read_text()
    assert json.loads((after.folder / "croissant.json").read_text())["version"] == "2.0.0"
    assert verify(settings, after).sound


def test_a_condition_that_quotes_her_is_taken_out_as_well(taken: tuple[Settings, Report]) -> None:
    release = open_release(taken[0], "words")
    assert release.document["where"] == "(taken out: it named what was withdrawn)"
    assert verify(taken[0], release).sound


def test_whoever_was_handed_the_release_is_listed(taken: tuple[Settings, Report]) -> None:
    (line,) = taken[1].handed_out
    assert line.startswith("voxcpm-")
    assert " of release all, " in line
    assert line.endswith(": to the university")


def test_a_takedown_that_was_killed_between_rows_and_document_is_finished(
    built: Settings, copied: Copy, tmp_path: Path
) -> None:
    settings = copied(built, tmp_path)
    before = open_release(settings, "all")
    old = (before.folder / "release.json").read_bytes()

    def goes(row: dict) -> bool:
        return row.get("recording_id") == small.recording_id(built, "solo")

    assert take_out(settings, "t-1", goes, lambda text: False) == ["all", "words"]
    (before.folder / "release.json").write_bytes(old)
    assert not verify(settings, open_release(settings, "all")).sound
    assert take_out(settings, "t-1", goes, lambda text: False) == ["all"]
    after = open_release(settings, "all")
    assert [(one["takedown_id"], one["segments"]) for one in after.document["taken_out"]] == [("t-1", 1)]
    assert verify(settings, after).sound
    assert take_out(settings, "t-1", goes, lambda text: False) == []


def test_a_release_that_cannot_be_read_loses_the_rows_or_stops_the_takedown(
    built: Settings, copied: Copy, tmp_path: Path
) -> None:
    settings = copied(built, tmp_path)
    without_document, damaged = (settings.root / "releases" / name for name in ("all", "words"))
    (without_document / "release.json").write_text("{")
    (damaged / "segments.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(TakedownIncomplete, match="cannot be read as Parquet"):
        takedown.take_down(settings, "recording", small.recording_id(built, "solo"))
    left = {row["recording_id"] for row in pq.read_table(without_document / "segments.parquet").to_pylist()}
    assert small.recording_id(built, "solo") not in left
    assert len(left) == 2
    shutil.rmtree(damaged)
    assert len(takedown.finish_pending(settings)) == 1


def test_an_edit_before_the_takedown_is_not_made_good_by_it(built: Settings, copied: Copy, tmp_path: Path) -> None:
    settings = copied(built, tmp_path)
    file = settings.root / "releases" / "all" / "segments.parquet"
    table = pq.read_table(file)
    pq.write_table(table.slice(1), file)
    solo = small.recording_id(built, "solo")
    take_out(settings, "t-1", lambda row: row.get("recording_id") == solo, lambda text: False)
    release = open_release(settings, "all")
    assert release.document["taken_out"][0]["was_sound_before"] is False
    assert "rows of segments.parquet were changed" in verify(settings, release).broken[0]
