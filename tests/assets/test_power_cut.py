"""All processes are killed in the middle of a stage: whoever starts next says so and does the work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import soundfile
from ui_process import UI

from pipeline.lake.lake import Lake
from pipeline.lake.lock import taking_down
from pipeline.settings import Settings

Status = dg.DagsterRunStatus
RUN = (sys.executable, "-m", "cli.main", "run", "--workspace")
AS_PROCESS_1 = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    land(Settings(workspace=tmp_path), "a.wav")
    return Settings(workspace=tmp_path)


@pytest.fixture
def ui(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[UI]]:
    started: list[UI] = []
    yield started
    for each in started:
        each.kill()


@pytest.mark.slow
@pytest.mark.long
def test_fangyan_run_goes_on_after_the_ui_was_killed_in_a_stage_and_so_does_the_ui(
    settings: Settings, ui: list[UI], tmp_path: Path
) -> None:
    # A stage waits for a takedown as long as this test wants it to be in the middle.
    with taking_down(settings.root):
        first = UI(settings.root, tmp_path / "first.log")
        ui.append(first)
        first.wait_until(lambda: "waits for the takedown of process" in first.log.read_text())
        first.kill()
    killed = one_run(settings, "b00001")

    done = subprocess.run([*RUN, str(settings.root)], capture_output=True, text=True, check=True)
    assert f"run {killed.run_id[:8]} (stages_job b00001) is dead: process " in done.stderr
    assert "it is marked as failed" in done.stderr
    assert "pool disk is free of run" in done.stderr
    assert [row["source"] for row in Lake(settings.lake).rows("recordings")] == ["cmn/x/a.wav"]

    land(settings, "b.wav")
    second = UI(settings.root, tmp_path / "second.log")
    ui.append(second)
    second.wait_until(lambda: statuses(settings, "b00002") == [Status.SUCCESS])
    second.wait_until(second.serves)
    assert statuses(settings, "b00001") == [Status.SUCCESS, Status.FAILURE]

    second.process.terminate()
    assert second.process.wait() == 0
    assert second.processes() == set()


@pytest.mark.slow
@pytest.mark.long
def test_a_run_that_is_process_1_of_each_container_goes_on_after_it_was_killed(settings: Settings) -> None:
    command = [*AS_PROCESS_1, *RUN, str(settings.root)]
    with taking_down(settings.root):
        first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert first.stderr is not None
        assert "waits for the takedown of process" in first.stderr.readline()
        first.kill()
        first.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "(stages_job b00001) is dead: process 1 on " in done.stderr
    assert statuses(settings, "b00001") == [Status.SUCCESS, Status.FAILURE]


def land(settings: Settings, name: str) -> None:
    """A recording that nobody agreed to: every stage runs, none loads a model."""
    file = settings.landing / "cmn" / "x" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, np.random.default_rng(list(name.encode())).uniform(-0.1, 0.1, 16000), 16000)


def runs(settings: Settings, batch: str) -> list[dg.DagsterRun]:
    """The runs of the stages over a batch, the last first."""
    wanted = dg.RunsFilter(job_name="stages_job", tags={"dagster/partition": batch})
    with dg.DagsterInstance.from_config(str(settings.root / "dagster")) as instance:
        return list(instance.get_runs(wanted))


def one_run(settings: Settings, batch: str) -> dg.DagsterRun:
    (run,) = runs(settings, batch)
    assert run.status == Status.STARTED
    return run


def statuses(settings: Settings, batch: str) -> list[Status]:
    return [run.status for run in runs(settings, batch)]
