"""The processes below this one: what they are, what memory they use, and ending one of them as a crash would."""

from __future__ import annotations

import ctypes
import os
import signal
from dataclasses import dataclass
from pathlib import Path

_SUBREAPER = 36
_MARKS = {
    "daemon": ("dagster-daemon", "dagster._daemon"),
    "web": ("dagster-webserver", "dagster_webserver"),
    "code": ("grpc", "code-server"),
    "desk": ("\0desk\0",),
    "line": ("cli.main\0run\0", "execute_run"),
    "query": ("cli.main\0sql\0",),
    "ui": ("cli.main\0ui\0", "dagster\0dev"),
    "worker": ("spawn_main",),
}
"""The first that fits a command names its kind."""
KINDS = tuple(_MARKS)


@dataclass(frozen=True)
class Process:
    """`memory_mb` is what it has resident, shared pages counted in."""

    number: int
    kind: str
    memory_mb: float


def adopt_orphans() -> None:
    """From now on what a killed process leaves behind is a child of this one, and can be seen and ended."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def below() -> list[Process]:
    """All living descendants of this process."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            facts = _stat(folder)
            if facts is not None and facts[0] != "Z":
                parents[int(folder.name)] = int(facts[1])
    ours = {os.getpid()}
    found: list[int] = []
    while True:
        more = [number for number, parent in parents.items() if parent in ours and number not in ours]
        if not more:
            return [process for number in found if (process := _process(number)) is not None]
        found += more
        ours |= set(more)


def kill(process: Process) -> bool:
    """End it without a word; False if it has ended by itself."""
    try:
        os.kill(process.number, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def end_all() -> None:
    """End whatever is below this process."""
    for process in below():
        kill(process)


def _process(number: int) -> Process | None:
    try:
        command = Path(f"/proc/{number}/cmdline").read_bytes().decode(errors="replace")
        pages = int(Path(f"/proc/{number}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return None
    kind = next((kind for kind, marks in _MARKS.items() if any(mark in command for mark in marks)), "other")
    return Process(number, kind, pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def _stat(folder: Path) -> list[str] | None:
    """State and parent, after the name, which may hold anything."""
    try:
        return (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
