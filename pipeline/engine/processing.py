"""A group inside a worker of any engine: processed together, or one by one where together it fails."""

from __future__ import annotations

import time
import traceback
from pathlib import Path

from pipeline.engine.engine import Done, Failure, Group, weight
from pipeline.errors import BadRecording
from pipeline.stage import GroupRows, Recording, Stage, StageResult

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Set to 1 for a worker: libraries read them when they load."""


def process(stage: Stage, group: Group, rows: GroupRows) -> list[Done]:
    """What became of each recording of a group; `attempts` of a failure is 1. Raises nothing but what ends a worker."""
    started = time.monotonic()
    try:
        found = list(stage.process_group(group.recordings, rows))
        if len(found) != len(group.recordings):
            raise ValueError(f"{stage.name} gave {len(found)} results of {len(group.recordings)} recordings")
    except Exception as error:
        if len(group.recordings) > 1:
            return [done for one in group.alone() for done in process(stage, one, rows)]
        found = [error]
    share = (time.monotonic() - started) / group.seconds
    return [
        _done(recording, outcome, share * weight(recording))
        for recording, outcome in zip(group.recordings, found, strict=True)
    ]


def _done(recording: Recording, outcome: StageResult | Exception, seconds: float) -> Done:
    if isinstance(outcome, StageResult):
        return Done(recording, outcome, None, seconds)
    known = isinstance(outcome, BadRecording)
    reason = outcome.reason if known else "unexpected_error"
    words = str(outcome) if known else f"{recording.source}: {type(outcome).__name__}: {outcome}"
    return Done(recording, None, Failure(reason, words, "".join(traceback.format_exception(outcome)), 1), seconds)


def peak_memory_mb() -> float:
    """Of this process since it began; getrusage would count the parent's memory in. 0 where /proc does not tell."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    kilobytes = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), "0")
    return int(kilobytes) / 1024
