"""Keeps a takedown and those who write what it removes apart, in this process and in others, by locks on two files.

A writer that computed from audio before a takedown must not put it back afterwards. The kernel frees the locks of a
process that dies.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipeline.lake.holder import this_process

_GATE = ".takedown.gate"
_LOCK = ".takedown.lock"
# Writers pass the gate within milliseconds; only a takedown keeps it for longer.
_PASSING_SECONDS = 0.2


@contextmanager
def writing(workspace: Path, waiting: Callable[[str], None] = lambda whom: None) -> Iterator[None]:
    """Held by whoever writes rows, files or models made from recordings; many may hold it at once.

    `waiting` is called with the process of the takedown that this waits for. One thread must not hold it twice: a
    takedown that begins to wait in between would wait for ever.
    """
    gate = workspace / _GATE
    # A takedown that waits holds the gate, so that no new writers come in before it.
    with ExitStack() as held:
        with _flock(gate, fcntl.LOCK_EX, lambda: waiting(gate.read_text(encoding="utf-8") or "another process")):
            held.enter_context(_flock(workspace / _LOCK, fcntl.LOCK_SH))
        yield


@contextmanager
def taking_down(workspace: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Held by one takedown, alone; `waiting` is called once if somebody is writing."""
    with _flock(workspace / _GATE, fcntl.LOCK_EX, waiting) as gate:
        os.truncate(gate, 0)
        os.pwrite(gate, str(this_process()).encode(), 0)
        with _flock(workspace / _LOCK, fcntl.LOCK_EX, waiting):
            yield
        os.truncate(gate, 0)


@contextmanager
def _flock(file: Path, kind: int, waiting: Callable[[], None] = lambda: None) -> Iterator[int]:
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not _lock_soon(handle, kind):
            waiting()
            fcntl.flock(handle, kind)
        yield handle
    finally:
        os.close(handle)


def _lock_soon(handle: int, kind: int) -> bool:
    for pause in (_PASSING_SECONDS, 0.0):
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause)
        else:
            return True
    return False
