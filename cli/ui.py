"""`fangyan ui`: Dagster's web server and daemon on a workspace, as children that end with this command."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cli.report_server import serve_report
from cli.terminal import Config, WorkspaceFolder, read_settings, say, stop

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS = 0.3
# Dagster stops its web server, daemon and code server one after the other.
_PATIENCE_SECONDS = 30.0
_LAST_SECONDS = 5.0


def ui(
    config: Config = None,
    workspace: WorkspaceFolder = None,
    host: Annotated[str, typer.Option(help="address to serve on; the UI has no login, so mind who can reach it")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="port of the web server")] = 3000,
) -> None:
    """Start Dagster's UI and daemon, and serve the report on the next port; Ctrl-C or SIGTERM ends them."""
    from assets.home import RunFailed, clear_failures, dagster_home, open_instance
    from pipeline.project import PACKAGES, PROJECT
    from pipeline.settings import configuration_file

    settings = read_settings(config, workspace)
    _stop_if_taken(host, port)
    command = [sys.executable, "-m", "dagster", "dev", "--workspace", str(PROJECT / "workspace.yaml")]
    command += ["--host", host, "--port", str(port)]
    file = config or configuration_file(os.environ, workspace)
    environment = {"FANGYAN_WORKSPACE": str(settings.root), "FANGYAN_CONFIG": str(file.resolve())}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PACKAGES), os.environ.get("PYTHONPATH"))))
    try:
        with clear_failures(settings), open_instance(settings):
            pass  # dead runs are ended before the daemon counts them
        report = serve_report(settings.root / "report", host, port + 1)
        with report as address, dagster_home(settings) as home:
            say(f"the report: {address}" if address else f"port {port + 1} is taken: the report is not served")
            code = _serve(command, os.environ | environment | {"DAGSTER_HOME": str(home)}, home, host, port)
    except RunFailed as error:
        stop(str(error))
    raise typer.Exit(code)


def _serve(command: Sequence[str], environment: Mapping[str, str], folder: Path, host: str, port: int) -> int:
    """Run the server until it ends or a signal says so; returns the exit code. No child is left behind."""
    with _stopping() as signals:
        # In a session of its own, so that Ctrl-C reaches this process alone, and the whole group can be ended.
        server = subprocess.Popen(command, env=environment, cwd=folder, start_new_session=True)
        try:
            opened = False
            while server.poll() is None and not signals:
                if not opened and _answers(host, port):
                    say(f"open http://{'localhost' if host in ('0.0.0.0', '::') else host}:{port}")
                    opened = True
                time.sleep(_POLL_SECONDS)
            return 0 if signals else server.wait()
        finally:
            _end_group(server)


@contextmanager
def _stopping() -> Iterator[list[int]]:
    """Yields a list that grows by each signal to stop; children do not inherit that a shell ignores one."""
    signals: list[int] = []
    before = {number: signal.signal(number, lambda number, _: signals.append(number)) for number in _STOPPING}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_group(server: subprocess.Popen) -> None:
    """Ask the server to end, then whoever is left of its children, at last without asking."""
    for number, patience in (
        (signal.SIGINT, _PATIENCE_SECONDS),
        (signal.SIGTERM, _LAST_SECONDS),
        (signal.SIGKILL, _LAST_SECONDS),
    ):
        try:
            if number == signal.SIGINT:
                server.send_signal(number)
            else:
                os.killpg(server.pid, number)
        except ProcessLookupError:
            return
        until = time.monotonic() + patience
        while time.monotonic() < until and (server.poll() is None or (number != signal.SIGINT and _lives(server.pid))):
            time.sleep(_POLL_SECONDS)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _stop_if_taken(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            return
    except OSError as error:
        stop(f"cannot serve on {host}:{port}: {error.strerror or error}; choose another --port or --host")


def _answers(host: str, port: int) -> bool:
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        with socket.create_connection((address, port), timeout=1.0):
            return True
    except OSError:
        return False
