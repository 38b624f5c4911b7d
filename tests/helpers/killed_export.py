"""Run as a program: exports a workspace as VoxCPM's list and dies, or may write no more bytes, at a clip.

Arguments: workspace, folder, `kill` or `full`, and after which clip it is killed or how many bytes a file may have.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from pipeline.handover.choice import ExportError
from pipeline.handover.export import export
from pipeline.settings import Settings


def main() -> None:
    workspace, out, how, number = sys.argv[1:]

    def progress(done: int, total: int) -> None:
        if how == "kill" and done == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    if how == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(number), resource.RLIM_INFINITY))
    try:
        export(Settings(workspace=Path(workspace)), "voxcpm", Path(out), "asr", to="Team K", progress=progress)
    except ExportError as error:
        print(error)


main()
