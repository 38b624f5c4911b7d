"""Recordings run in groups: rows as of each alone, work and reads that grow with the recordings and no faster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import toy_stages
from toy_stages import COUNT, RECOUNT, SCHEMA

from pipeline import ledger, stage_list
from pipeline.engine.engine import Done, Group, Usage
from pipeline.engine.engine import Upstream as ReadUpstream
from pipeline.engine.processing import process
from pipeline.lake.by_recording import RowsByRecording, split_by
from pipeline.lake.lake import Lake, Part, Parts, write_parquet
from pipeline.lake.rows import to_table
from pipeline.lake.tables import TABLES
from pipeline.run import run_stage
from pipeline.settings import Engine, Settings
from pipeline.stage import Stage
from pipeline.stage_list import STAGES
from pipeline.tasks import tasks_of
from pipeline.upstream import Upstream

BATCH = "b00001"


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ingest, and two stages that need no model; everything runs in this process."""
    monkeypatch.setattr(stage_list, "STAGES", (STAGES[0], COUNT, RECOUNT))
    for entry in (COUNT, RECOUNT):
        monkeypatch.setitem(TABLES, entry.table, SCHEMA)
    monkeypatch.setattr("pipeline.run.engine_of", lambda settings, stage: InThisProcess())


class InThisProcess:
    """An engine without workers: groups one after another, as any engine processes them."""

    def __init__(self) -> None:
        self.usage = Usage()
        self.workers = 1

    def run(self, stage: Stage, groups: Sequence[Group], upstream: ReadUpstream) -> Iterator[Sequence[Done]]:
        for group in groups:
            yield process(stage, group, upstream(group))


def landed(root: Path, count: int, **engine: Any) -> Settings:
    """A batch of recordings of 4 s that ingest has worked on, and of which nobody opens the files."""
    settings = Settings(workspace=root, engine=Engine(**engine), ingest={"require_consent": False})  # type: ignore[arg-type]
    (settings.root / "batches").mkdir(parents=True)
    lake, rows, entries, lines = Lake(settings.lake), [], [], []
    for number in range(count):
        name = {"source": f"yue/tv/{number:05}.wav", "recording_id": f"r{number:05}", "batch": BATCH, "provenance": "p"}
        rows.append(name | {"status": "ok", "duration": 4.0, "dialect": "yue", "collection": "tv", "sample_rate": 8000})
        entries.append(name | {"stage": "ingest", "outcome": "passed", "seconds": 4.0, "reason": ""})
        about = {"source": name["source"], "bytes": 1, "mtime_ns": 1, "duration": 4.0}
        lines.append(json.dumps(about | {"dialect": "yue", "collection": "tv"}) + "\n")
    (settings.root / "batches" / f"{BATCH}.jsonl").write_text("".join(lines))
    lake.write("recordings", BATCH, rows)
    lake.write("ledger", ledger.partition(BATCH, "ingest"), entries)
    return settings


def tables(settings: Settings) -> list[pa.Table]:
    lake = Lake(settings.lake)
    names = [("counts", BATCH), ("recounts", BATCH)]
    names += [("ledger", ledger.partition(BATCH, stage)) for stage in ("count", "recount")]
    return [lake.read(*name) for name in names]


def test_tables_do_not_depend_on_how_recordings_are_grouped(tmp_path: Path) -> None:
    found = []
    for minutes in (0.0, 0.5, 10.0):
        settings = landed(tmp_path / str(minutes), 40, group_minutes=minutes)
        for entry in (COUNT, RECOUNT):
            assert run_stage(entry.build(settings), BATCH, settings).recomputed == 40
        found.append(tables(settings))
    assert found[0] == found[1] == found[2]


def test_reads_and_parts_grow_with_the_groups_and_not_with_the_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 3,000 recordings every row group is read about once, and a flush is made for each ten minutes of audio."""
    put, flushes = Parts.put, []
    monkeypatch.setattr(Parts, "put", lambda parts, *made: (flushes.append(len(made)), put(parts, *made)))
    settings = landed(tmp_path, 3_000)
    run_stage(COUNT.build(settings), BATCH, settings)
    assert len(flushes) == 20
    stage, lake = RECOUNT.build(settings), Lake(settings.lake)
    groups = [Group((task.recording,)) for task in tasks_of(stage, BATCH, settings, lake).values()]
    read = Upstream(stage, lake, BATCH)
    assert all(len(rows[name]) == 1 for group in groups for rows in (read(group),) for name in stage.reads)
    row_groups = sum(RowsByRecording(lake, name, BATCH).row_groups for name in stage.reads)
    assert read.reads == row_groups <= 2 * 2
    read.close()


def test_a_stage_that_is_repeated_computes_nothing_and_finds_every_row_in_one_pass(tmp_path: Path) -> None:
    settings = landed(tmp_path, 100)
    run_stage(COUNT.build(settings), BATCH, settings)
    before = tables(settings)[0]
    Lake(settings.lake).path("ledger", ledger.partition(BATCH, "recount")).unlink(missing_ok=True)
    report = run_stage(COUNT.build(settings), BATCH, settings)
    assert (report.recomputed, report.reused) == (0, 100)
    assert tables(settings)[0] == before


def test_rows_of_one_recording_that_lie_apart_come_together() -> None:
    table = pa.table({"recording_id": ["a", "a", "b", "a"], "n": [1, 2, 3, 4]})
    assert {name: rows["n"].to_pylist() for name, rows in split_by(table, "recording_id").items()} == {
        "a": [1, 2, 4],
        "b": [3],
    }
    assert split_by(table.slice(0, 0), "recording_id") == {}


def test_a_part_file_holds_a_group_and_one_of_an_older_version_is_passed_over(tmp_path: Path) -> None:
    parts = Parts(Lake(tmp_path), "count", BATCH, "counts")
    rows = [
        {"recording_id": name, "seconds": 1.0, "rows_read": 1, "batch": BATCH, "provenance": "p"}
        for name in ("r1", "r2", "r2")
    ]
    made = [
        Part("1.wav", "p", to_table("counts", rows[:1]), [{"seconds": 1.0}], []),
        Part("none.wav", "p", to_table("counts", []), [], [{"reason": "silence"}]),
        Part("2.wav", "q", to_table("counts", rows[1:]), [{"seconds": 2.0}], []),
    ]
    parts.put(*made)
    assert len(list(parts.folder.iterdir())) == 1
    old = to_table("counts", rows[:1]).replace_schema_metadata({"source": "0.wav", "provenance": "p"})
    write_parquet([old], parts.folder / "old.parquet")
    assert [(one.source, one.provenance, one.ledger, one.quarantine) for one in parts.read()] == [
        (one.source, one.provenance, one.ledger, one.quarantine) for one in made
    ]
    assert [one.rows.num_rows for one in parts.read()] == [1, 0, 2]


_RUN = """
import os, sys, time
from pathlib import Path
import test_groups
from pipeline.run import run_stage
from toy_stages import COUNT, SCHEMA
from pipeline import stage_list
from pipeline.lake.tables import TABLES

class Slow(COUNT.stage_class):
    def process(self, recording, rows):
        if int(recording.recording_id[1:]) >= 25:
            Path(sys.argv[2]).touch()
            time.sleep(600)
        return super().process(recording, rows)

stage_list.STAGES = (stage_list.STAGES[0], COUNT)
TABLES["counts"] = SCHEMA
import pipeline.run
pipeline.run.engine_of = lambda settings, stage: test_groups.InThisProcess()
settings = test_groups.Settings(
    workspace=Path(sys.argv[1]), engine={"group_minutes": 0.67}, ingest={"require_consent": False}
)
run_stage(Slow(settings), "b00001", settings)
"""


def test_a_run_that_is_killed_does_one_group_again(tmp_path: Path) -> None:
    settings = landed(tmp_path / "w", 40, group_minutes=0.67)
    reached = tmp_path / "reached"
    folders = [str(Path(__file__).parent), str(Path(str(toy_stages.__file__)).parent), *sys.path]
    child = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(settings.root), str(reached)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)},
    )
    ends = time.monotonic() + 240
    while not reached.exists():
        assert child.poll() is None, f"the run ended with exit code {child.returncode} before it could be killed"
        assert time.monotonic() < ends, "the run has not come to its third group in 4 minutes"
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=60)
    report = run_stage(COUNT.build(settings), BATCH, settings)
    assert (report.reused, report.recomputed) == (20, 20)
    assert ledger.leaks(Lake(settings.lake), BATCH, ("ingest", "count")) == []
    assert Lake(settings.lake).read("counts", BATCH)["recording_id"].to_pylist() == [f"r{n:05}" for n in range(40)]
