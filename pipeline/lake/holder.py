"""Names the process that holds a lock or a lease, so that whoever waits can say for whom."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Holder:
    """A process; `started` is in clock ticks after the boot, `since` (when it began to hold) in epoch seconds."""

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    started: int
    since: float

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} on {self.host} since {since}"


def this_process() -> Holder:
    """This process, from now on."""
    return Holder(
        host=socket.gethostname(),
        boot_id=boot_id(),
        pid_namespace=os.readlink("/proc/self/ns/pid"),
        pid=os.getpid(),
        # Field 22; the second field is the name, which may hold blanks and brackets.
        started=int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]),
        since=time.time(),
    )


def boot_id() -> str:
    """A number that the kernel draws at each boot; empty where it does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
