"""A lease says that the process of a run lives: a file that the process locks, with its name and a heartbeat.

The kernel frees the lock of a process that dies. So on one machine a free lock is a dead run, whatever process number
was given out again and in whichever container. Another machine may not see the lock: there the heartbeat decides.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.lake.holder import Holder, boot_id, this_process

HEARTBEAT_SECONDS = 15.0
STALE_SECONDS = 90.0
_held: dict[str, _Lease] = {}


def take(folder: Path, run_id: str) -> Holder:
    """Take the lease of a run and renew it until `release` or until this process ends."""
    if run_id not in _held:
        folder.mkdir(parents=True, exist_ok=True)
        _held[run_id] = _Lease(folder / run_id)
    return _held[run_id].holder


def release() -> None:
    """Give back every lease of this process; its runs have ended."""
    while _held:
        _held.popitem()[1].release()


def holder(folder: Path, run_id: str) -> Holder | None:
    """Who took the lease of a run, dead or alive; None if nobody did where this machine can see it."""
    try:
        return Holder(**json.loads((folder / run_id).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def claim_dead(folder: Path, run_id: str) -> Iterator[bool]:
    """True for the one caller who may end the run, because the process that held its lease is dead."""
    try:
        handle = os.open(folder / run_id, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        if not _lock_at_once(handle) or not _is_dead(folder, run_id):
            yield False
            return
        yield True
        (folder / run_id).unlink(missing_ok=True)
    finally:
        os.close(handle)


def clear(folder: Path, unfinished: Collection[str]) -> None:
    """Remove what processes left that ended after their runs had."""
    for file in folder.glob("[!.]*"):
        if file.name not in unfinished:
            with claim_dead(folder, file.name):
                pass


class _Lease:
    def __init__(self, file: Path):
        self.file, self.holder = file, this_process()
        self._handle = _lock_in_place(file)
        os.truncate(self._handle, 0)
        os.pwrite(self._handle, json.dumps(vars(self.holder)).encode(), 0)
        self._ended = threading.Event()
        threading.Thread(target=self._renew, name=f"lease of {file.name}", daemon=True).start()

    def release(self) -> None:
        self._ended.set()
        self.file.unlink(missing_ok=True)
        os.close(self._handle)

    def _renew(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            os.utime(self.file)


def _lock_in_place(file: Path) -> int:
    """Locks the file that stands there when the lock is ours; somebody who ended a dead run may remove it before."""
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if file.exists() and os.path.samestat(os.fstat(handle), file.stat()):
            return handle
        os.close(handle)


def _lock_at_once(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_dead(folder: Path, run_id: str) -> bool:
    """Whether a lease whose lock looks free from here is that of a dead process."""
    who = holder(folder, run_id)
    if who is not None and (who.host == socket.gethostname() or (who.boot_id and who.boot_id == boot_id())):
        return True
    return _now(folder) - (folder / run_id).stat().st_mtime > STALE_SECONDS


def _now(folder: Path) -> float:
    """The time of the file system, which may be another machine's, as heartbeats are."""
    probe = folder / ".now"
    probe.touch()
    return probe.stat().st_mtime
