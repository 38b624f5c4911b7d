"""Stages on a Ray cluster of two nodes of one core: what costs a recording, what costs only time, and equal tables."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_stages
from echo_stage import Echo, groups, upstream
from ray_nodes import Nodes, two_nodes

from cli.cluster_findings import cluster
from pipeline import batches, ledger, stage_list
from pipeline.engine.ray import RayEngine
from pipeline.errors import ClusterUnavailable, ModelUnavailable
from pipeline.lake.lake import Lake
from pipeline.lake.tables import TABLES
from pipeline.run import run_stage
from pipeline.settings import Engine, Settings
from pipeline.stage_list import STAGES, build_stage
from studio.record import record

pytestmark = pytest.mark.long
BATCH = "b00001"
_OF_THE_MOMENT = ("landed_at", "ingested_at", "scored_at", "traceback")


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with two_nodes() as nodes:
        yield nodes


def run(nodes: Nodes, stage: Echo, *what: str, size: int = 1, **options: Any) -> dict[str, Any]:
    """What became of each recording, in the order in which they ended; each must be there once."""
    engine = RayEngine(nodes.address, stage.resources, **({"grace_seconds": 2.0} | options))
    ended = [done for group in engine.run(stage, groups(*what, size=size), upstream) for done in group]
    found = {done.recording.source: done for done in ended}
    assert len(found) == len(ended) == len(what)
    return found


def reasons(found: dict[str, Any]) -> dict[str, str | None]:
    return {source: done.failure and done.failure.reason for source, done in sorted(found.items())}


def test_every_recording_is_worked_on_with_its_upstream_rows_on_one_thread(nodes: Nodes) -> None:
    engine = RayEngine(nodes.address, Echo().resources)
    assert engine.workers == 2
    found = run(nodes, Echo(), *["good"] * 6)
    rows = {source: done.result.rows[0] for source, done in found.items()}
    assert all(row["upstream"] == [{"source": source}] and row["threads"] == "1" for source, row in rows.items())
    assert len({row["pid"] for row in rows.values()}) <= 2


def test_poisoned_recordings_are_given_up_alone(nodes: Nodes) -> None:
    """One that raises costs itself, one that kills its process is tried twice; those of its group are done."""
    found = run(nodes, Echo(), "good", "bad", "bug", "good", "dies", "good", size=3)
    expected = {0: None, 1: "silence", 2: "unexpected_error", 3: None, 4: "worker_died", 5: None}
    assert reasons(found) == {f"{number}.wav": reason for number, reason in expected.items()}
    assert found["4.wav"].failure.attempts == 2
    assert "worker process has died" in found["4.wav"].failure.message
    assert "ValueError: a bug" in found["2.wav"].failure.traceback


def test_a_slow_group_does_not_hold_up_the_others(nodes: Nodes) -> None:
    found = run(nodes, Echo(), "slow", *["good"] * 5)
    assert list(found)[-1] == "0.wav"


def test_a_recording_that_hangs_is_given_up(nodes: Nodes) -> None:
    found = run(nodes, Echo(), "hangs", "good", timeout_seconds=3.0, attempts=1)
    assert reasons(found) == {"0.wav": "timeout", "1.wav": None}


@pytest.mark.parametrize(("load_fails", "words"), [("missing", "echo.checkpoint"), ("dies", "while loading its model")])
def test_a_model_that_cannot_load_stops_the_stage(nodes: Nodes, load_fails: str, words: str) -> None:
    with pytest.raises(ModelUnavailable, match=words):
        run(nodes, Echo(load_fails), "good")


def test_a_worker_that_no_node_can_hold_is_said(nodes: Nodes) -> None:
    large = Echo(resources=dataclasses.replace(Echo().resources, memory_gb=400.0))
    with pytest.raises(ClusterUnavailable, match="waits for a node with 1 CPU and 400 GB of memory; there are"):
        run(nodes, large, "good", patience_seconds=2.0)


def test_a_node_that_is_killed_in_the_middle_loses_nothing(nodes: Nodes, tmp_path: Path) -> None:
    """Three of four recordings are at work when a node is switched off; with one attempt a counted try would show."""
    lost = nodes.add()

    def begun() -> list[str]:
        return [file.name for file in tmp_path.iterdir() if file.name != "go"]

    def switch_off() -> None:
        limit = time.monotonic() + 120.0
        while len(begun()) < 3 and time.monotonic() < limit:
            time.sleep(0.1)
        nodes.kill(lost)
        workers = [Path("/proc") / name.split(".")[-1] for name in begun()]
        while all(worker.exists() for worker in workers) and time.monotonic() < limit:
            time.sleep(0.1)
        (tmp_path / "go").touch()

    killer = threading.Thread(target=switch_off)
    killer.start()
    try:
        found = run(nodes, Echo(notes=str(tmp_path)), *["waits"] * 4, attempts=1)
    finally:
        killer.join(130.0)
    assert reasons(found) == dict.fromkeys(sorted(found))
    assert len(begun()) == 5, "one of four was begun once more, on another node"


@pytest.fixture
def landed(
    tmp_path: Path, encode: Callable[..., Path], murmur: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A workspace with three recordings and a file that is none, of which nothing is worked on; three cheap stages."""
    monkeypatch.setattr(stage_list, "STAGES", (STAGES[0], toy_stages.COUNT, toy_stages.RECOUNT))
    for entry in (toy_stages.COUNT, toy_stages.RECOUNT):
        monkeypatch.setitem(TABLES, entry.table, toy_stages.SCHEMA)
    settings = Settings(workspace=tmp_path / "landed")
    for number in range(3):
        encode(settings.landing / f"yue/tv/{number}.wav", murmur(1.0 + number, 8000, seed=number), 8000)
    (settings.landing / "yue/tv/poisoned.wav").write_bytes((settings.landing / "yue/tv/0.wav").read_bytes()[:30])
    line = {"consent_id": "c", "scopes": ["asr"], "recordings": ["yue/tv/*.wav"]}
    (settings.landing / "consents.jsonl").write_text(json.dumps(line) + "\n")
    batches.plan(settings.landing, settings.root, settings, now=0, close_all=True)
    return settings.root


def rows_of(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, without when file and row were made and without paths of this workspace."""
    lake, found = Lake(settings.lake), {}
    for entry in stage_list.STAGES:
        found[entry.table] = lake.rows(entry.table, BATCH)
        for table in ("ledger", "quarantine"):
            found[f"{table} of {entry.name}"] = lake.rows(table, ledger.partition(BATCH, entry.name))
    plain = json.dumps(found, default=str, sort_keys=True).replace(str(settings.root), "")
    return {
        name: [{key: value for key, value in row.items() if key not in _OF_THE_MOMENT} for row in rows]
        for name, rows in json.loads(plain).items()
    }


def worked(landed: Path, nodes: Nodes, workers: int) -> list[tuple[Settings, list[int]]]:
    """All stages over copies of a workspace, locally and on the cluster; what they recompute when run once more."""
    found = []
    for engine in (Engine(workers=workers), Engine(kind="ray", address=nodes.address, workers=workers)):
        root = landed.with_name(engine.kind)
        shutil.copytree(landed, root)
        settings = Settings(workspace=root, engine=engine)
        stages = [build_stage(entry.name, settings) for entry in stage_list.STAGES]
        for stage in stages:
            said: list[int] = []
            run_stage(stage, BATCH, settings, progress=lambda done, total, _, said=said: said.append(total - done))
            assert said[-1] == 0
        assert ledger.leaks(Lake(settings.lake), BATCH) == []
        found.append((settings, [run_stage(stage, BATCH, settings).recomputed for stage in stages]))
    return found


def test_tables_ledger_and_quarantine_equal_those_of_the_local_engine(nodes: Nodes, landed: Path) -> None:
    (here, again_here), (there, again_there) = worked(landed, nodes, 2)
    rows = rows_of(there)
    assert rows == rows_of(here)
    assert [row["source"] for row in rows["quarantine of ingest"]] == ["yue/tv/poisoned.wav"]
    assert again_here == again_there == [0, 0, 0]


def test_the_whole_pipeline_makes_the_same_corpus_on_a_cluster(nodes: Nodes, tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path / "landed")
    record(settings.root, ["cmn", "yue"], 2, 0.25, 2, 0.0, 30.0, 7)
    batches.plan(settings.landing, settings.root, settings, now=0, close_all=True)
    (here, _), (there, again) = worked(settings.root, nodes, 1)
    rows = rows_of(there)
    assert rows == rows_of(here)
    assert len(rows["recordings"]) == 2
    assert len(rows["segments"]) > 0
    assert again == [0] * len(stage_list.STAGES)


def test_doctor_says_what_the_cluster_offers_and_how_many_workers_it_holds(nodes: Nodes) -> None:
    settings = Settings(engine=Engine(kind="ray", address=nodes.address))
    found = {finding.subject: finding for finding in cluster(settings)}
    assert found["ray"].state == "ok"
    assert "2 nodes: 2 CPUs, 0 GPUs, 8.0 GB" in found["ray"].detail
    assert found["score"].detail == "room for 2 workers of 1 CPU and 1.5 GB of memory"
    assert found.keys() == {"ray", *stage_list.names()}
