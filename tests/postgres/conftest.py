"""Debian's PostgreSQL in a folder of the test's own, and the processes of compose.yaml on it."""

from __future__ import annotations

import inspect
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest
import yaml
from ui_process import ENVIRONMENT, free_port

from pipeline.project import PROJECT

PASSWORD = "a password with $igns"
PATIENCE_SECONDS = 300
"""A hundred times what any of these waits takes: to fail with what was said, instead of never."""


class Server:
    """The services of compose.yaml as processes on this machine, with its commands and dagster.production.yaml."""

    def __init__(self, workspace: Path, postgres_port: int):
        self.workspace, self.port = workspace, free_port()
        self._code = str(free_port())
        home = workspace / "dagster"
        home.mkdir(parents=True)
        shutil.copyfile(PROJECT / "dagster.production.yaml", home / "dagster.yaml")
        location = (PROJECT / "deploy" / "workspace.compose.yaml").read_text()
        self._locations = workspace / "locations.yaml"
        self._locations.write_text(location.replace("host: code", "host: 127.0.0.1").replace("4000", self._code))
        self.environment = os.environ | ENVIRONMENT
        self.environment |= {"FANGYAN_WORKSPACE": str(workspace), "DAGSTER_HOME": str(home)}
        self.environment |= {"FANGYAN_POSTGRES_HOST": "127.0.0.1", "FANGYAN_POSTGRES_PORT": str(postgres_port)}
        self.environment |= {"FANGYAN_POSTGRES_PASSWORD": PASSWORD, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.processes: dict[str, subprocess.Popen] = {}

    def start(self, *services: str) -> None:
        for name in services:
            command = self._here(shlex.split(_composed(name)["command"]))
            log = (self.workspace / f"{name}.log").open("a")
            self.processes[name] = subprocess.Popen(
                command, env=self.environment, cwd=PROJECT, stdout=log, stderr=log, start_new_session=True
            )

    def is_healthy(self, name: str) -> bool:
        """What the health check of compose.yaml finds."""
        command = self._here(_composed(name)["healthcheck"]["test"][1:])
        return subprocess.run(command, env=self.environment, cwd=PROJECT, capture_output=True).returncode == 0

    def _here(self, command: list[str]) -> list[str]:
        """A command of a container with this machine's ports and paths."""
        changes = {"0.0.0.0": "127.0.0.1", "4000": self._code, "3000": str(self.port)}
        changes["/opt/fangyan/workspace.yaml"] = str(self._locations)
        program, *arguments = command
        for old, new in changes.items():
            arguments = [one.replace(old, new) for one in arguments]
        return [str(Path(sys.executable).with_name(program)), *arguments]

    def kill(self, *services: str) -> None:
        """With all their children, as a power cut does."""
        for name in services:
            process = self.processes.pop(name)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def log(self, name: str) -> str:
        return (self.workspace / f"{name}.log").read_text()

    def wait_until(self, what: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not what():
            for name, process in self.processes.items():
                assert process.poll() is None, self.log(name)
            assert time.monotonic() < end, self._in_vain(what)
            time.sleep(0.5)

    def _in_vain(self, what: Callable[[], object]) -> str:
        """What was waited for, and what the services and the runs said of it."""
        runs = [(run.run_id[:8], run.job_name, run.tags, run.status) for run in self.runs()]
        logs = [f"{name}: ...{self.log(name)[-6000:]}" for name in self.processes]
        return "\n".join([f"in {PATIENCE_SECONDS} s never true:", inspect.getsource(what), *map(str, runs), *logs])

    def runs(self) -> Sequence[dg.DagsterRun]:
        """All of them, the last first."""
        with dg.DagsterInstance.from_config(str(self.workspace / "dagster")) as instance:
            return instance.get_runs()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with_postgres = _Postgres(tmp_path / "postgres")
    started = Server(tmp_path / "workspace", with_postgres.port)
    try:
        yield started
    finally:
        started.kill(*started.processes)
        with_postgres.stop()


def _composed(service: str) -> dict:
    return yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"][service]


class _Postgres:
    def __init__(self, folder: Path):
        self.port = free_port()
        programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        folder.mkdir()
        secret = folder / "password"
        secret.write_text(PASSWORD)
        # PostgreSQL refuses to run as root.
        user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
            os.chown(secret, user.pw_uid, user.pw_gid)
            for above in folder.parents:
                if above.stat().st_uid == 0 and not above.stat().st_mode & 0o001:
                    above.chmod(above.stat().st_mode | 0o011)
        self._as = {"user": user.pw_name, "group": user.pw_gid, "extra_groups": []} if user else {}
        data = folder / "data"
        initdb = [programs / "initdb", "--pgdata", data, "--username=fangyan", "--auth=scram-sha-256"]
        subprocess.run([*initdb, f"--pwfile={secret}"], check=True, capture_output=True, cwd=folder, **self._as)
        serve = [programs / "postgres", "-D", data, "-p", str(self.port), "-k", folder, "-c", "fsync=off"]
        with (folder / "log").open("w") as log:
            self._process = subprocess.Popen(serve, stdout=log, stderr=log, cwd=folder, **self._as)
        query = [programs / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "fangyan", "-d", "postgres", "-c"]
        environment = os.environ | {"PGPASSWORD": PASSWORD}
        while subprocess.run([*query, "CREATE DATABASE fangyan"], env=environment, capture_output=True).returncode:
            assert self._process.poll() is None, (folder / "log").read_text()
            time.sleep(0.2)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
