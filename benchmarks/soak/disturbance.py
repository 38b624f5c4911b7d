"""What goes on during a soak: the line, Dagster's UI and daemon, the desk and queries, and killing by a seed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.soak import processes

_MEAN_PAUSE_SECONDS = 45.0
_VICTIMS = ("worker", "worker", "line", "daemon", "code", "web", "desk", "ui")
"""Workers twice: they hold the models and the recordings."""
_QUERIES = (
    "SELECT count(*) FROM recordings",
    "SELECT dialect, count(*) FROM segments GROUP BY dialect",
    "SELECT outcome, sum(seconds) FROM ledger GROUP BY outcome",
)


@dataclass
class Everything:
    """Starts each program and starts it again when it has ended, however it ended."""

    workspace: Path
    config: Path
    port: int
    logs: Path
    starts: Counter[str] = field(default_factory=Counter)
    _running: dict[str, subprocess.Popen] = field(default_factory=dict)

    def keep_up(self) -> None:
        """Start what is not running."""
        for name, words in self._commands().items():
            process = self._running.get(name)
            if process is None or process.poll() is not None:
                self.starts[name] += 1
                with (self.logs / f"{name}.log").open("ab") as log:
                    command = [sys.executable, "-m", "cli.main", *words]
                    self._running[name] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def end(self, patience: float = 60.0) -> None:
        """Ask all to end, then end them."""
        for process in self._running.values():
            process.terminate()
        until = time.monotonic() + patience
        while time.monotonic() < until and any(process.poll() is None for process in self._running.values()):
            time.sleep(0.5)
        processes.end_all()

    def _commands(self) -> dict[str, list[str]]:
        where = ["--workspace", str(self.workspace), "--config", str(self.config)]
        return {
            "line": ["run", *where],
            "ui": ["ui", *where, "--port", str(self.port)],
            "desk": ["desk", *where, "--port", str(self.port + 2)],
        }


@dataclass
class Killer:
    """Ends one process after another; a seed gives times and kinds, the process is whichever is there."""

    seed: int
    killed: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._draw = random.Random(f"kill {self.seed}")
        self._next = time.monotonic() + self._draw.expovariate(1 / _MEAN_PAUSE_SECONDS)

    def turn(self) -> None:
        """Kill, if it is time."""
        if time.monotonic() < self._next:
            return
        kind = self._draw.choice(_VICTIMS)
        self._next = time.monotonic() + self._draw.expovariate(1 / _MEAN_PAUSE_SECONDS)
        there = [process for process in processes.below() if process.kind == kind]
        if there and processes.kill(self._draw.choice(there)):
            self.killed[kind] += 1
        else:
            self.missed[kind] += 1


@dataclass
class Reader:
    """Asks as people do: queries in processes of their own, pages of the desk."""

    everything: Everything
    answered: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def turn(self, number: int) -> None:
        """One query and one page; a desk that was just killed does not answer."""
        statement = _QUERIES[number % len(_QUERIES)]
        where = ("--workspace", str(self.everything.workspace), "--config", str(self.everything.config))
        command = [sys.executable, "-m", "cli.main", "sql", statement, *where]
        self._count("sql", subprocess.run(command, capture_output=True, check=False, timeout=300).returncode == 0)
        address = f"http://127.0.0.1:{self.everything.port + 2}/"
        try:
            with urllib.request.urlopen(address, timeout=60) as page:
                self._count("desk", page.status == 200)
        except (urllib.error.URLError, OSError):
            self._count("desk", False)

    def _count(self, what: str, worked: bool) -> None:
        (self.answered if worked else self.failed)[what] += 1
