"""The processes of compose.yaml on PostgreSQL: a daemon that is killed, and a power cut, lose and double nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import dagster as dg
import numpy as np
import soundfile

from pipeline.lake.lake import Lake
from pipeline.lake.lock import taking_down

Status = dg.DagsterRunStatus
WAITS = "waits for the takedown of process"


def test_work_goes_on_after_the_daemon_was_killed_and_after_a_power_cut(server, monkeypatch) -> None:
    for name in ("FANGYAN_POSTGRES_HOST", "FANGYAN_POSTGRES_PORT", "FANGYAN_POSTGRES_PASSWORD"):
        monkeypatch.setenv(name, server.environment[name])
    # A stage waits for a takedown as long as this test wants it to be in the middle.
    with taking_down(server.workspace):
        land(server.workspace, "a.wav")
        server.start("code", "daemon", "webserver")
        server.wait_until(lambda: WAITS in server.log("code"))
        server.kill("daemon")
        server.start("daemon")
        server.wait_until(lambda: "dead_runs" in server.log("daemon"))
    server.wait_until(lambda: statuses(server.workspace, "b00001") == [Status.SUCCESS])
    for service in ("code", "daemon", "webserver"):
        server.wait_until(lambda name=service: server.is_healthy(name))

    with taking_down(server.workspace):
        land(server.workspace, "b.wav")
        server.wait_until(lambda: statuses(server.workspace, "b00002") == [Status.STARTED])
        server.kill("code", "daemon", "webserver")
    server.start("code", "daemon", "webserver")
    server.wait_until(lambda: statuses(server.workspace, "b00002") == [Status.SUCCESS, Status.FAILURE])
    assert statuses(server.workspace, "b00001") == [Status.SUCCESS]
    rows = Counter(row["source"] for row in Lake(server.workspace / "lake").rows("recordings"))
    assert rows == {"cmn/x/a.wav": 1, "cmn/x/b.wav": 1}


def land(workspace: Path, name: str) -> None:
    """A recording that nobody agreed to: every stage runs, none loads a model."""
    file = workspace / "landing" / "cmn" / "x" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, np.random.default_rng(list(name.encode())).uniform(-0.1, 0.1, 16000), 16000)


def statuses(workspace: Path, batch: str) -> list[Status]:
    """Of the runs of the stages over a batch, the last first."""
    wanted = dg.RunsFilter(job_name="stages_job", tags={"dagster/partition": batch})
    with dg.DagsterInstance.from_config(str(workspace / "dagster")) as instance:
        return [run.status for run in instance.get_runs(wanted)]
