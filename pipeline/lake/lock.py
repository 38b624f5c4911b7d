"""Keeps a takedown and those who write what it removes apart, in this process and in others, by locks on two files.

A writer that computed from audio before a takedown must not put it back afterwards. The kernel frees the locks of a
process that dies.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_GATE = ".takedown.gate"
_LOCK = ".takedown.lock"


@contextmanager
def writing(workspace: Path) -> Iterator[None]:
    """Held by whoever writes rows, files or models made from recordings; many may hold it at once.

    One thread must not hold it twice: a takedown that begins to wait in between would wait for ever.
    """
    # A takedown that waits holds the gate, so that no new writers come in before it.
    with ExitStack() as held:
        with _flock(workspace / _GATE, fcntl.LOCK_EX):
            held.enter_context(_flock(workspace / _LOCK, fcntl.LOCK_SH))
        yield


@contextmanager
def taking_down(workspace: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Held by one takedown, alone; `waiting` is called once if somebody is writing."""
    with _flock(workspace / _GATE, fcntl.LOCK_EX, waiting), _flock(workspace / _LOCK, fcntl.LOCK_EX, waiting):
        yield


@contextmanager
def _flock(file: Path, kind: int, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, kind)
        yield
    finally:
        os.close(handle)
