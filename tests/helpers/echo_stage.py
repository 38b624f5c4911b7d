"""A stage without a model whose recordings say in their dialect what is to happen to them; workers import it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.engine.engine import Group
from pipeline.errors import BadRecording, ModelUnavailable
from pipeline.lake.rows import Row
from pipeline.stage import GroupRows, LedgerEntry, Recording, Resources, Stage, StageResult


@dataclass
class Echo(Stage):
    """Its rows say what it was given and which process and node worked on it."""

    load_fails: str = ""
    notes: str = ""
    name: str = "echo"
    version: str = "1"
    reads: tuple[str, ...] = ("turns",)
    writes: str = "turns"
    resources: Resources = field(default_factory=lambda: Resources(memory_gb=0.2))

    def parameters(self) -> dict[str, Any]:
        return {}

    def load(self) -> None:
        if self.load_fails == "missing":
            raise ModelUnavailable("echo.checkpoint: no such folder")
        if self.load_fails == "dies":
            os._exit(7)

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        if recording.dialect == "bad":
            raise BadRecording("silence", "nothing is heard")
        if recording.dialect == "bug":
            raise ValueError("a bug")
        if recording.dialect == "dies":
            os._exit(9)
        if recording.dialect == "slow":
            time.sleep(4.0)
        if recording.dialect == "hangs":
            time.sleep(60.0)
        if recording.dialect == "waits":
            self._wait(recording)
        facts = {"pid": os.getpid(), "upstream": list(rows["turns"]), "threads": os.environ.get("OMP_NUM_THREADS")}
        return StageResult([facts], [LedgerEntry("passed", 1.0)])

    def _wait(self, recording: Recording) -> None:
        """Note that it was begun, then wait until the file `go` is there."""
        (Path(self.notes) / f"{recording.source}.{os.getpid()}").touch()
        limit = time.monotonic() + 120.0
        while not (Path(self.notes) / "go").exists():
            if time.monotonic() > limit:
                raise TimeoutError("nobody said go for two minutes")
            time.sleep(0.1)


def groups(*dialects: str, size: int = 1) -> list[Group]:
    """Groups of `size` recordings each, in order; `0.wav` has the first dialect."""
    found = [Recording(f"{n}.wav", "", "b", each, "", recording_id=f"r{n}") for n, each in enumerate(dialects)]
    return [Group(tuple(found[at : at + size])) for at in range(0, len(found), size)]


def upstream(group: Group) -> GroupRows:
    """One row a recording, which names it."""
    return {"turns": {one.recording_id: [{"source": one.source}] for one in group.recordings}}
