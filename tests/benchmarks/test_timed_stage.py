"""Claims about the time inside models: calls inside calls count once, and a stage is timed without being changed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.timed_stage import Inside, TimedStage, written
from pipeline.lake.rows import Row
from pipeline.stage import LedgerEntry, Recording, Resources, Stage, StageResult

RECORDING = Recording("cmn/a/a.wav", "a.wav", "b", "cmn", "a", "r", 2.0)


class Sleeping(Stage):
    """Passes on what it is given, after a moment."""

    name, version, reads, writes = "sleeping", "1", ("turns",), "denoised"
    resources = Resources()

    def parameters(self) -> dict[str, Any]:
        return {"moment": 0.01}

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        time.sleep(0.01)
        if recording.recording_id == "poisoned":
            raise ValueError("poisoned")
        return StageResult(list(rows["turns"]), [LedgerEntry("passed", recording.duration)])


def test_a_call_inside_a_watched_call_counts_once() -> None:
    inside = Inside()
    networks = SimpleNamespace(part=lambda: time.sleep(0.02))
    inside.watch(networks, "part")
    networks.whole = lambda: (networks.part(), networks.part())
    inside.watch(networks, "whole")
    began = time.perf_counter()
    networks.whole()
    assert 0.04 <= inside.seconds <= time.perf_counter() - began


def test_time_in_a_call_that_fails_counts_too() -> None:
    inside = Inside()
    networks = SimpleNamespace(run=lambda: 1 / 0)
    inside.watch(networks, "run")
    with pytest.raises(ZeroDivisionError):
        networks.run()
    assert inside.seconds > 0


def test_a_timed_stage_does_as_the_stage_and_writes_down_what_it_took(tmp_path: Path) -> None:
    stage = TimedStage(Sleeping(), tmp_path)
    assert (stage.name, stage.version, stage.parameters()) == ("sleeping", "1", {"moment": 0.01})
    stage.load()
    good, bad = stage.process_group(
        [RECORDING, Recording("b", "b", "b", "cmn", "a", "poisoned")], {"turns": {"r": [{"turn_id": "t"}]}}
    )
    assert isinstance(good, StageResult)
    assert good.rows == [{"turn_id": "t"}]
    assert isinstance(bad, ValueError)
    assert written(tmp_path, "sleeping", "process")["wall"] >= 0.02
    assert written(tmp_path, "another", "process")["wall"] == 0
