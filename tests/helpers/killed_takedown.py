"""Takes a speaker down in copies of a workspace and kills the process at the n-th change to the file system.

Usage: killed_takedown.py WORKSPACE SPEAKER OUT. Leaves OUT/whole, which was not killed, and OUT/killed/<n>.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

from pipeline.settings import Settings
from pipeline.takedown import takedown

POINTS = 8
_CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree")


def in_child(root: Path, speaker: str, kill_at: int | None) -> int:
    """Changes made until the end, or 0 if the child was killed. Each child is forked before any thread exists."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        changes = 0

        def watch(event: str, arguments: tuple) -> None:
            nonlocal changes
            if event not in _CHANGES and not (
                event == "open" and isinstance(arguments[1], str) and "a" in arguments[1]
            ):
                return
            if str(root) not in str(arguments[0]):
                return
            changes += 1
            if changes == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        takedown.take_down(Settings(workspace=root), "speaker", speaker)
        os.write(write, str(changes).encode())
        os._exit(0)
    os.close(write)
    _, status = os.waitpid(child, 0)
    with os.fdopen(read) as told:
        text = told.read()
    if kill_at is None and not text:
        sys.exit("the takedown failed without being killed")
    if kill_at is not None and not os.WIFSIGNALED(status):
        sys.exit(f"was not killed at change {kill_at}")
    return int(text or 0)


def main(workspace: Path, speaker: str, out: Path) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(workspace, out / name, copy_function=shutil.copy2))

    total = in_child(copy("whole"), speaker, None)
    points = sorted({1, 2, *(round(1 + step * (total - 1) / (POINTS - 1)) for step in range(POINTS))})
    for point in points:
        in_child(copy(f"killed/{point}"), speaker, point)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
