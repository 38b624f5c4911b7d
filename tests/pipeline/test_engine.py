"""The engine: models load once a worker, a broken recording costs only itself."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline.engine.local import LocalEngine
from pipeline.errors import BadRecording, ModelUnavailable
from pipeline.lake.rows import Row
from pipeline.stage import LedgerEntry, Recording, Resources, StageResult


@dataclass
class Echo:
    """A stage whose recordings say in their dialect what is to happen to them."""

    load_fails: str = ""
    name: str = "echo"
    version: str = "1"
    reads: tuple[str, ...] = ()
    writes: str = "turns"
    resources: Resources = field(default_factory=Resources)

    def parameters(self) -> dict[str, Any]:
        return {}

    def load(self) -> None:
        if self.load_fails == "missing":
            raise ModelUnavailable("echo.checkpoint: no such folder")
        if self.load_fails == "dies":
            os._exit(7)

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        if recording.dialect == "bad":
            raise BadRecording("silence", "nothing is heard")
        if recording.dialect == "bug":
            raise ValueError("a bug")
        if recording.dialect == "dies":
            os._exit(9)
        if recording.dialect == "hangs":
            time.sleep(60)
        return StageResult([{"pid": os.getpid(), "upstream": rows["turns"]}], [LedgerEntry("passed", 1.0)])


def recordings(*what: str) -> list[Recording]:
    return [Recording(f"{number}.wav", "", "b", dialect, "") for number, dialect in enumerate(what)]


def upstream(recording: Recording) -> dict[str, list[Row]]:
    return {"turns": [{"source": recording.source}]}


def run(stage: Echo, what: list[Recording], **options: Any) -> dict[str, Any]:
    engine = LocalEngine(**({"placements": [None, None], "attempts": 2} | options))
    return {done.recording.source: done for done in engine.run(stage, what, upstream)}


def test_every_recording_is_worked_on_with_its_upstream_rows() -> None:
    done = run(Echo(), recordings(*["good"] * 5))
    assert sorted(done) == [f"{number}.wav" for number in range(5)]
    assert all(item.result.rows[0]["upstream"] == [{"source": source}] for source, item in done.items())
    assert len({item.result.rows[0]["pid"] for item in done.values()}) <= 2


def test_a_broken_recording_costs_only_itself() -> None:
    done = run(Echo(), recordings("good", "bad", "bug", "dies", "good"))
    reasons = {source: item.failure and item.failure.reason for source, item in done.items()}
    assert reasons == {
        "0.wav": None,
        "1.wav": "silence",
        "2.wav": "unexpected_error",
        "3.wav": "worker_died",
        "4.wav": None,
    }
    assert done["3.wav"].failure.attempts == 2
    assert "ValueError: a bug" in done["2.wav"].failure.traceback


def test_a_recording_that_hangs_is_given_up() -> None:
    done = run(Echo(), recordings("hangs", "good"), timeout_seconds=2.0, attempts=1)
    assert done["0.wav"].failure.reason == "timeout"
    assert done["1.wav"].failure is None


@pytest.mark.parametrize(("load_fails", "words"), [("missing", "echo.checkpoint"), ("dies", "exit code 7")])
def test_a_model_that_cannot_load_stops_the_stage(load_fails: str, words: str) -> None:
    with pytest.raises(ModelUnavailable, match=words):
        run(Echo(load_fails), recordings("good"))
