"""A takedown beside a desk that runs: nothing of it is shown or kept, and the desk's index does not hinder it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import small_workspace
import spoken_lake
from desk_client import browser, desk_of
from small_workspace import BEN

from desk.index import Index
from pipeline.lake.lake import Lake
from pipeline.lake.lock import taking_down
from pipeline.settings import Settings
from pipeline.takedown.takedown import take_down

_PATIENCE_SECONDS = 120.0


def test_a_takedown_reaches_the_desk_while_it_runs(tmp_path: Path) -> None:
    settings = small_workspace.build(tmp_path / "workspace")
    app = desk_of(settings)
    client = browser(app)
    ids = {row["segment_id"]: row["recording_id"] for row in Lake(settings.lake).rows("segments")}
    before = {one for one in ids if client.get(f"/audio/segment/{one}").status_code == 200}
    plan, inventory = take_down(settings, "speaker", BEN, "asked", lambda words: None)
    left = {row["segment_id"] for row in Lake(settings.lake).rows("segments")}
    gone = set(ids) - left
    assert gone & before
    assert not list((settings.root / "cache").rglob("index-*"))
    for one in gone:
        assert client.get(f"/audio/segment/{one}").status_code == 404
        assert client.get(f"/segment/{one}").status_code == 404
        assert "data-play" not in client.get(f"/browse?q={one}").text
    app.state.desk.index.ready()
    shown = client.get("/browse").text
    assert not [one for one in gone if one in shown]
    assert plan.takedown_id
    assert not inventory.unsearchable


def test_no_index_is_made_while_a_takedown_works(tmp_path: Path) -> None:
    settings = small_workspace.build(tmp_path / "workspace")
    index = Index(Settings(workspace=settings.root))
    said: list[str] = []
    made = threading.Thread(target=index.ready, args=(said.append,), daemon=True)
    with taking_down(settings.root):
        made.start()
        made.join(1.0)
        assert made.is_alive()
        assert not list(settings.root.rglob("index-*"))
    made.join(_PATIENCE_SECONDS)
    assert not made.is_alive()
    assert list(settings.root.rglob("index-*"))
    assert "takedown" in said[0]


def test_what_a_run_adds_is_shown_soon_while_the_desk_runs(tmp_path: Path) -> None:
    settings, _ = spoken_lake.build(tmp_path / "workspace")
    app = desk_of(settings)
    client = browser(app)
    lake = Lake(settings.lake)
    (first, *_) = lake.rows("segments")
    added = first | {"segment_id": f"{first['segment_id']}-added", "text": "新的一句"}
    lake.write("segments", "b00002", [added])
    end = time.monotonic() + _PATIENCE_SECONDS
    while "新的一句" not in client.get("/browse?q=新的").text:
        assert time.monotonic() < end, "the index was not made anew"
        time.sleep(0.2)
    assert client.get(f"/audio/segment/{added['segment_id']}").content == first["audio"]["bytes"]
    assert len(list(settings.root.rglob("index-*"))) == 1
