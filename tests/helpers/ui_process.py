"""Starts `fangyan ui` on a workspace, waits for what it does, and knows all processes that belong to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ENVIRONMENT = {"FANGYAN_BATCHES__SETTLE_SECONDS": "0", "FANGYAN_BATCHES__MAX_WAIT_HOURS": "0.00001"}
"""Every file that has landed is a full batch."""


class UI:
    """A running `fangyan ui`; what it prints goes to `log`."""

    def __init__(self, workspace: Path, log: Path):
        self.workspace, self.log, self.port = workspace, log, free_port()
        environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"} | ENVIRONMENT
        command = [sys.executable, "-m", "cli.main", "ui", "--workspace", str(workspace), "--port", str(self.port)]
        with log.open("w") as file:
            self.process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)

    def wait_until(self, what: Callable[[], object]) -> None:
        """Return when `what` is so; fail if the UI ends before."""
        while not what():
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.2)

    def serves(self) -> bool:
        return f"open http://127.0.0.1:{self.port}" in self.log.read_text()

    def processes(self) -> set[int]:
        """The command, and all that it has started and still live."""
        mark = f"FANGYAN_WORKSPACE={self.workspace}".encode()
        found = {self.process.pid} if self.process.poll() is None else set()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.add(int(folder.name))
            except OSError:
                continue
        return found

    def kill(self) -> None:
        """What a power cut does."""
        while found := self.processes():
            for pid in found:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self.process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
