"""Makes a release in a workspace and kills the process at some of its changes of names, then makes it for good.

Usage: killed_release.py WORKSPACE. Prints at which changes it was killed, and the releases that were seen after that.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from pipeline.releases.create import Wish, create
from pipeline.releases.names import existing
from pipeline.settings import Settings
from pipeline.stage_list import STAGES

POINTS = (2, 8)
"""In between, and when the whole takes its name."""


def in_child(root: Path, kill_at: int) -> bool:
    """Whether the child was killed before it had made the release. Forked before any thread exists."""
    child = os.fork()
    if child == 0:
        changes = 0

        def watch(event: str, arguments: tuple) -> None:
            nonlocal changes
            if event == "os.rename" and "releases" in str(arguments[0]):
                changes += 1
                if changes == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        create(Settings(workspace=root), Wish("first"))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status):
        sys.exit(f"failed without being killed at change {kill_at}")
    return os.WIFSIGNALED(status)


def main(root: Path) -> None:
    killed, seen = [], set[str]()
    for entry in STAGES:
        assert entry.stage_class  # imported once, not in each child
    for change in POINTS:
        if in_child(root, change):
            killed.append(change)
            seen |= set(existing(Settings(workspace=root)))
    in_child(root, 0)
    print(json.dumps({"killed_at": killed, "visible_after_a_kill": sorted(seen)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
