"""Runs whose process was killed are ended by whoever comes next, and their pool is free; living ones are left alone."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pool_job
import pytest

from assets.dead_runs import dead_runs, end_dead_runs, lease_folder
from assets.home import open_instance
from pipeline.settings import Settings

Status = dg.DagsterRunStatus


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return Settings(workspace=tmp_path)


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with open_instance(settings) as opened:
        yield opened


@pytest.fixture
def started(settings: Settings) -> Iterator[list[subprocess.Popen]]:
    processes: list[subprocess.Popen] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def start(settings: Settings, started: list[subprocess.Popen]) -> subprocess.Popen:
    program = [sys.executable, pool_job.__file__, str(settings.root / "dagster")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment
    )
    started.append(process)
    return process


def working(settings: Settings, process: subprocess.Popen) -> subprocess.Popen:
    while not (settings.root / "dagster" / "working").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


@pytest.mark.slow
def test_a_killed_run_is_marked_as_failed_and_its_pool_is_free(settings, instance, started, capfd) -> None:
    process = working(settings, start(settings, started))
    (run,) = instance.get_runs()
    assert end_dead_runs(instance) == []
    process.kill()
    process.wait()

    with open_instance(settings) as again:
        ended = again.get_run_by_id(run.run_id)
        assert ended is not None
        assert ended.status == Status.FAILURE
        assert not again.event_log_storage.get_concurrency_info("gpu").active_run_ids
    first, second = capfd.readouterr().err.splitlines()
    assert first.startswith(f"run {run.run_id[:8]} (work_job b00001) is dead: process {process.pid} on ")
    assert second == f"pool gpu is free of run {run.run_id[:8]} (work_job b00001), which has ended"
    assert list(lease_folder(instance).glob("[!.]*")) == []

    (settings.root / "dagster" / "go").touch()
    assert pool_job.run(instance, settings.root / "dagster").success


@pytest.mark.slow
def test_the_daemon_ends_killed_runs_by_a_sensor(settings, instance, started) -> None:
    process = working(settings, start(settings, started))
    process.kill()
    process.wait()
    result = dead_runs(dg.build_sensor_context(instance=instance))
    assert isinstance(result, dg.SkipReason)
    assert "is dead" in (result.skip_message or "")
    assert [run.status for run in instance.get_runs()] == [Status.FAILURE]


@pytest.mark.slow
def test_a_run_that_was_told_to_stop_and_died_is_canceled(settings, instance, started) -> None:
    process = working(settings, start(settings, started))
    (run,) = instance.get_runs()
    instance.report_run_canceling(run)
    assert end_dead_runs(instance) == []
    process.kill()
    process.wait()
    assert "is marked as canceled" in end_dead_runs(instance)[0]
    assert [run.status for run in instance.get_runs()] == [Status.CANCELED]


def test_runs_that_have_just_begun_are_left_alone(instance) -> None:
    statuses = (Status.NOT_STARTED, Status.STARTING, Status.STARTED)
    job = pool_job.work_job("nowhere")
    runs = [instance.create_run_for_job(job, status=status) for status in statuses]
    assert end_dead_runs(instance) == []
    assert [instance.get_run_by_id(run.run_id).status for run in runs] == list(statuses)


def test_a_run_that_no_process_took_for_long_is_dead(settings, instance) -> None:
    job = pool_job.work_job("nowhere")
    for status in (Status.STARTING, Status.STARTED):
        instance.create_run_for_job(job, status=status)
    grow_old(settings)
    assert len(end_dead_runs(instance)) == 2
    assert [run.status for run in instance.get_runs()] == [Status.FAILURE] * 2


def test_a_run_of_a_machine_whose_lease_is_not_seen_here_is_left_alone(settings, instance) -> None:
    job = pool_job.work_job("nowhere")
    tags = {"fangyan/process": "process 7 on elsewhere since yesterday"}
    instance.create_run_for_job(job, status=Status.STARTED, tags=tags)
    grow_old(settings)
    assert end_dead_runs(instance) == []


@pytest.mark.slow
def test_a_waiting_run_says_for_whom_sleeps_and_goes_on_when_that_one_dies(settings, instance, started) -> None:
    holder = working(settings, start(settings, started))
    waiter = start(settings, started)
    assert waiter.stderr is not None
    line = next(line for line in waiter.stderr if line.startswith("waits for pool gpu"))
    assert f"(work_job b00001): process {holder.pid} on " in line
    before, began = processor_seconds(waiter), time.monotonic()
    time.sleep(3)
    assert processor_seconds(waiter) - before < 0.3 * (time.monotonic() - began)
    os.killpg(holder.pid, signal.SIGKILL)
    (settings.root / "dagster" / "go").touch()
    out, err = waiter.communicate()
    assert out == "ended\n"
    assert f"process {holder.pid}" in err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_waiting_run_ends_on_a_signal(settings, instance, started, number) -> None:
    working(settings, start(settings, started))
    waiter = start(settings, started)
    assert waiter.stderr is not None
    next(line for line in waiter.stderr if line.startswith("waits for pool gpu"))
    waiter.send_signal(number)
    assert waiter.wait() == 128 + number
    assert sorted(run.status.value for run in instance.get_runs()) == ["FAILURE", "STARTED"]
    assert len(instance.event_log_storage.get_concurrency_info("gpu").pending_steps) == 1


def grow_old(settings: Settings) -> None:
    """All runs were changed last a day ago."""
    with sqlite3.connect(settings.root / "dagster" / "history" / "runs.db") as storage:
        storage.execute("UPDATE runs SET update_timestamp = datetime('now', '-1 day')")


def processor_seconds(process: subprocess.Popen) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
