"""Sound by ranges, out of Parquet and out of the landed file, and only while the consents allow it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import spoken_lake
from desk_client import browser, desk_of
from spoken_lake import COUNT, RATE, SOURCE, span
from starlette.applications import Starlette

from desk.ranges import ranged
from pipeline.audio.clips import decode_bytes, read
from pipeline.lake.lake import Lake
from pipeline.lake.tables import span_id
from pipeline.settings import Settings


@pytest.fixture
def spoken(tmp_path: Path) -> tuple[Settings, str, Starlette]:
    settings, recording_id = spoken_lake.build(tmp_path / "workspace")
    return settings, recording_id, desk_of(settings)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str, Starlette]:
    """For tests that change nothing."""
    settings, recording_id = spoken_lake.build(tmp_path_factory.mktemp("sound") / "workspace")
    return settings, recording_id, desk_of(settings)


def _segment(recording_id: str, number: int) -> str:
    return f"/audio/segment/{span_id(recording_id, *span(number))}"


def test_a_segment_plays_as_the_lake_has_it_whole_and_in_parts(unchanged: tuple[Settings, str, Starlette]) -> None:
    settings, recording_id, app = unchanged
    rows = Lake(settings.lake).rows("segments", spoken_lake.BATCH)
    client = browser(app)
    for number in (0, 5, COUNT - 2):
        wanted = rows[number]["audio"]["bytes"]
        answer = client.get(_segment(recording_id, number))
        assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "audio/flac", wanted)
        parts = [
            client.get(_segment(recording_id, number), headers={"Range": f"bytes={at}-{at + 9_999}"})
            for at in (range(0, len(wanted), 10_000))
        ]
        assert {part.status_code for part in parts} == {206}
        assert b"".join(part.content for part in parts) == wanted


@pytest.mark.parametrize(
    ("wanted", "status", "content", "says"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=0-", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-30", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=4-2", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
    ],
)
def test_ranges_are_those_of_the_standard(wanted: str | None, status: int, content: bytes, says: str | None) -> None:
    answer = ranged(b"0123456789", "audio/flac", wanted)
    assert (answer.status_code, answer.body, answer.headers.get("content-range")) == (status, content, says)
    assert answer.headers["content-length"] == str(len(content))


def test_a_dropped_segment_and_any_span_play_from_the_landed_file(unchanged: tuple[Settings, str, Starlette]) -> None:
    settings, recording_id, app = unchanged
    client = browser(app)
    start, end = span(COUNT - 1)
    original = read(settings.landing / SOURCE, start, end)
    for path in (_segment(recording_id, COUNT - 1), f"/audio/recording/{recording_id}?start={start}&end={end}"):
        samples, _ = decode_bytes(client.get(path).content, RATE)
        assert len(samples) == pytest.approx(len(original), abs=RATE // 100)
        size = min(len(samples), len(original))
        assert np.corrcoef(samples[:size], original[:size])[0, 1] > 0.99


@pytest.mark.parametrize(
    "asked", ["", "?start=1", "?start=a&end=2", "?start=3&end=2", "?start=-1&end=2", "?start=nan&end=2"]
)
def test_a_span_that_is_none_is_refused(unchanged: tuple[Settings, str, Starlette], asked: str) -> None:
    assert browser(unchanged[2]).get(f"/audio/recording/{unchanged[1]}{asked}").status_code == 400


def test_a_span_that_is_long_or_behind_the_end_is_refused_in_words(unchanged: tuple[Settings, str, Starlette]) -> None:
    client = browser(unchanged[2])
    assert "at most 120 s" in client.get(f"/audio/recording/{unchanged[1]}?start=0&end=500").text
    assert "ends before" in client.get(f"/audio/recording/{unchanged[1]}?start=900&end=901").text


def test_another_file_under_the_name_is_not_played(spoken: tuple[Settings, str, Starlette]) -> None:
    settings, recording_id, app = spoken
    path = f"/audio/recording/{recording_id}?start=1&end=2"
    assert browser(app).get(path).status_code == 200
    with (settings.landing / SOURCE).open("ab") as file:
        file.write(b"more")
    answer = browser(app).get(path)
    assert answer.status_code == 404
    assert "another file than the one that was ingested" in answer.text


def _is_shown(app: Starlette, recording_id: str) -> set[bool]:
    """Whether lists, the segment, its sound and spans of the recording are answered."""
    client = browser(app)
    shown = {"data-play" in client.get("/browse").text}
    paths = [_segment(recording_id, 0), f"/audio/recording/{recording_id}?start=1&end=2"]
    paths += [f"/segment/{span_id(recording_id, *span(0))}", f"/recording/{recording_id}"]
    return shown | {client.get(path).status_code == 200 for path in paths}


def test_what_is_revoked_is_neither_shown_nor_played_from_then_on(spoken: tuple[Settings, str, Starlette]) -> None:
    settings, recording_id, app = spoken
    assert _is_shown(app, recording_id) == {True}
    consents = settings.landing / "consents.jsonl"
    consent = json.loads(consents.read_text("utf-8"))
    consents.write_text(json.dumps(consent | {"revoked": str(date.today())}) + "\n", "utf-8")
    assert _is_shown(app, recording_id) == {False}
    assert "0.0 min of speech" in browser(app).get("/").text
    consents.write_text(json.dumps(consent | {"consent_id": "c-2", "scopes": ["publication"]}) + "\n", "utf-8")
    assert _is_shown(app, recording_id) == {False}
    consents.write_text(json.dumps(consent | {"consent_id": "c-3"}) + "\n", "utf-8")
    assert _is_shown(app, recording_id) == {True}


@pytest.mark.parametrize("extent", ["whole", "spans"])
def test_what_is_withdrawn_is_not_shown_while_the_index_is_older(
    spoken: tuple[Settings, str, Starlette], extent: str
) -> None:
    settings, recording_id, app = spoken
    lake = Lake(settings.lake)
    (row,) = lake.rows("recordings")
    assert "data-play" in browser(app).get("/browse").text
    app.state.desk.index._looked = float("inf")  # no new index while this test looks
    facts = {"takedown_id": "t1", "kind": "speaker", "subject_id": "s", "recording_id": recording_id, "extent": extent}
    facts |= {"audio_sha256": row["audio_sha256"], "file_sha256": row["file_sha256"], "seconds": 1.0, "rows": 1}
    lake.write("tombstones", "t1", [facts | {"withdrawn": "2026-01-01T00:00:00+00:00"}])
    assert "data-play" not in browser(app).get("/browse").text
    if extent == "whole":
        assert _is_shown(app, recording_id) == {False}


def test_of_a_recording_withdrawn_in_part_only_its_turns_are_played(spoken: tuple[Settings, str, Starlette]) -> None:
    settings, recording_id, app = spoken
    lake = Lake(settings.lake)
    (row,) = lake.rows("recordings")
    gone, stays = span(2), span(3)
    turns = [turn for turn in lake.rows("turns") if turn["start"] != gone[0]]
    lake.write("turns", spoken_lake.BATCH, turns)
    facts = {"takedown_id": "t1", "kind": "speaker", "subject_id": "s", "recording_id": recording_id, "rows": 1}
    facts |= {"extent": "spans", "audio_sha256": row["audio_sha256"], "file_sha256": None, "seconds": 3.0}
    lake.write("tombstones", "t1", [facts | {"withdrawn": "2026-01-01T00:00:00+00:00"}])
    client = browser(app)
    answers = [
        client.get(f"/audio/recording/{recording_id}?start={start}&end={end}").status_code
        for start, end in (gone, (gone[0] + 1, gone[0] + 2), (gone[1] - 0.5, stays[1]), stays, (0.0, 40.0))
    ]
    assert answers == [404, 404, 404, 200, 404]


def test_a_segment_that_is_not_where_the_index_says_is_not_played_as_another(
    spoken: tuple[Settings, str, Starlette],
) -> None:
    settings, recording_id, app = spoken
    lake = Lake(settings.lake)
    client = browser(app)
    wanted = client.get(_segment(recording_id, 3)).content
    app.state.desk.index._looked = float("inf")
    lake.write("segments", spoken_lake.BATCH, lake.rows("segments")[1:])
    moved = client.get(_segment(recording_id, 3))
    assert len(decode_bytes(moved.content, RATE)[0]) == len(decode_bytes(wanted, RATE)[0])
    app.state.desk.index._looked = 0.0
    app.state.desk.index.ready()
    assert client.get(_segment(recording_id, 3)).content == wanted
    assert client.get(_segment(recording_id, 0)).status_code == 404
