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
        looked = server.log("daemon").count("Sensor dead_runs")
        server.start("daemon")
        server.wait_until(lambda: server.log("daemon").count("Sensor dead_runs") > looked)
    server.wait_until(lambda: statuses(server, "b00001") == [Status.SUCCESS])
    for service in ("code", "daemon", "webserver"):
        server.wait_until(lambda name=service: server.is_healthy(name))

    with taking_down(server.workspace):
        land(server.workspace, "b.wav")
        # The corpus of the first batch may have come before: then it waits for the takedown, and the batch for it.
        server.wait_until(lambda: statuses(server, "b00002") and in_progress(server))
        killed = in_progress(server)
        server.kill("code", "daemon", "webserver")
    server.start("code", "daemon", "webserver")
    server.wait_until(lambda: statuses(server, "b00002")[0] == Status.SUCCESS)
    assert killed <= {run.run_id for run in server.runs() if run.status == Status.FAILURE}
    assert statuses(server, "b00001") == [Status.SUCCESS]
    rows = Counter(row["source"] for row in Lake(server.workspace / "lake").rows("recordings"))
    assert rows == {"cmn/x/a.wav": 1, "cmn/x/b.wav": 1}


def land(workspace: Path, name: str) -> None:
    """A recording that nobody agreed to: every stage runs, none loads a model."""
    file = workspace / "landing" / "cmn" / "x" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, np.random.default_rng(list(name.encode())).uniform(-0.1, 0.1, 16000), 16000)


def statuses(server, batch: str) -> list[Status]:
    """Of the runs of the stages over a batch, the last first."""
    runs = [run for run in server.runs() if run.job_name == "stages_job"]
    return [run.status for run in runs if run.tags["dagster/partition"] == batch]


def in_progress(server) -> set[str]:
    """The runs that have started and not ended."""
    return {run.run_id for run in server.runs() if run.status == Status.STARTED}
