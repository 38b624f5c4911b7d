"""The engine: models load once a worker, recordings come in groups, a broken recording costs only itself."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pipeline.engine.engine import Group, allowed_seconds, groups_of
from pipeline.engine.local import LocalEngine
from pipeline.errors import BadRecording, ModelUnavailable
from pipeline.lake.rows import Row
from pipeline.stage import GroupRows, LedgerEntry, Recording, Resources, Stage, StageResult


@dataclass
class Echo(Stage):
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
    return [
        Recording(f"{number}.wav", "", "b", dialect, "", recording_id=f"r{number}", duration=4.0)
        for number, dialect in enumerate(what)
    ]


def upstream(group: Group) -> GroupRows:
    return {"turns": {one.recording_id: [{"source": one.source}] for one in group.recordings}}


def run(stage: Echo, what: list[Recording], size: int = 1, **options: Any) -> dict[str, Any]:
    """What became of recordings that are handed out `size` at a time."""
    engine = LocalEngine(**({"placements": [None, None], "attempts": 2} | options))
    groups = [Group(tuple(what[at : at + size])) for at in range(0, len(what), size)]
    found = [done for finished in engine.run(stage, groups, upstream) for done in finished]
    assert sorted(done.recording.source for done in found) == sorted(one.source for one in what)
    return {done.recording.source: done for done in found}


def test_every_recording_is_worked_on_with_its_upstream_rows() -> None:
    done = run(Echo(), recordings(*["good"] * 5))
    assert sorted(done) == [f"{number}.wav" for number in range(5)]
    assert all(item.result.rows[0]["upstream"] == [{"source": source}] for source, item in done.items())
    assert len({item.result.rows[0]["pid"] for item in done.values()}) <= 2


@pytest.mark.parametrize("size", [1, 5])
def test_a_broken_recording_costs_only_itself(size: int) -> None:
    done = run(Echo(), recordings("good", "bad", "bug", "dies", "good"), size)
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
    done = run(Echo(), recordings("hangs", "good"), 2, timeout_seconds=2.0, attempts=1)
    assert done["0.wav"].failure.reason == "timeout"
    assert done["1.wav"].failure is None


@pytest.mark.parametrize(("load_fails", "words"), [("missing", "echo.checkpoint"), ("dies", "exit code 7")])
def test_a_model_that_cannot_load_stops_the_stage(load_fails: str, words: str) -> None:
    with pytest.raises(ModelUnavailable, match=words):
        run(Echo(load_fails), recordings("good"))


class Together(Echo):
    """A stage that works on a group at once, and on none in which somebody speaks of a bug."""

    def process_group(self, recordings: Sequence[Recording], rows: GroupRows) -> Sequence[StageResult | Exception]:
        if len(recordings) > 1 and any(one.dialect == "bug" for one in recordings):
            raise RuntimeError("the batch does not fit")
        return super().process_group(recordings, rows)


def test_a_group_that_fails_together_is_worked_on_one_by_one() -> None:
    done = run(Together(), recordings("good", "bug", "good"), 3)
    assert [done[f"{number}.wav"].failure is None for number in range(3)] == [True, False, True]
    assert done["1.wav"].failure.message == "1.wav: ValueError: a bug"
    assert done["2.wav"].result.rows[0]["upstream"] == [{"source": "2.wav"}]


def test_groups_keep_the_order_and_are_of_about_equal_audio() -> None:
    clips = recordings(*["good"] * 300)
    long = [replace(one, source=f"long {one.source}", duration=1200.0) for one in recordings("good", "good")]
    groups = groups_of([*clips, *long, *clips], 10.0, 1)
    assert [one for group in groups for one in group.recordings] == [*clips, *long, *clips]
    assert [len(group.recordings) for group in groups] == [150, 150, 1, 1, 150, 150]


def test_groups_are_smaller_where_workers_would_go_without() -> None:
    assert [len(group.recordings) for group in groups_of(recordings(*["good"] * 100), 10.0, 5)] == [5] * 20
    assert len(groups_of(recordings("good", "good"), 0.0, 1)) == 2
    assert groups_of([], 10.0, 2) == []


def test_a_group_may_take_longer_than_a_recording_but_not_longer_than_all_of_them() -> None:
    group = groups_of(recordings(*["good"] * 100), 10.0, 1)[0]
    assert (len(group.recordings), group.seconds) == (25, 100.0)
    assert allowed_seconds(group, 7200.0) == 7200.0
    assert allowed_seconds(group, 60.0) == 1000.0
    assert allowed_seconds(group, 2.0) == 50.0
    assert allowed_seconds(group.alone()[0], 2.0) == 2.0
