"""A stage whose worker writes down what each group cost, and how much of it passed inside the models themselves.

Inside are the calls that leave Python for a network: ONNX Runtime, CTranslate2, torch modules, sherpa-onnx and RNNoise.
"""

from __future__ import annotations

import functools
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.lake.rows import Row
from pipeline.stage import GroupRows, Recording, Stage, StageResult


class Inside:
    """Seconds inside watched calls of this thread; calls inside calls count once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._thread = threading.get_ident()

    def watch(self, owner: Any, name: str) -> None:
        """Take the time of `owner.name`, a function of a module or a method of a class, from now on."""
        setattr(owner, name, self._timed(getattr(owner, name)))

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def timed(*arguments: Any, **named: Any) -> Any:
            if self._depth or threading.get_ident() != self._thread:
                return call(*arguments, **named)
            self._depth, began = 1, time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                self._depth = 0
                self.seconds += time.perf_counter() - began

        return timed


def watch_models(inside: Inside) -> None:
    """Watch the libraries that this process uses by now."""
    import sys

    from pipeline.audio import rnnoise

    inside.watch(rnnoise, "denoise")
    if "onnxruntime" in sys.modules:
        inside.watch(sys.modules["onnxruntime"].InferenceSession, "run")
    if "torch" in sys.modules:
        inside.watch(sys.modules["torch"].nn.Module, "__call__")
    if "ctranslate2" in sys.modules:
        for method in ("encode", "generate", "align", "detect_language"):
            inside.watch(sys.modules["ctranslate2"].models.Whisper, method)
    if "sherpa_onnx" in sys.modules:
        inside.watch(sys.modules["sherpa_onnx"].OfflineRecognizer, "decode_streams")


class TimedStage(Stage):
    """Does as `stage` does; each worker appends lines to its own file in `folder`."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self._stage, self._folder = stage, folder
        self.name, self.version, self.reads, self.writes = stage.name, stage.version, stage.reads, stage.writes
        self.resources, self.about, self.corrected = stage.resources, stage.about, stage.corrected
        self.over_files, self.compares = stage.over_files, stage.compares
        self._inside: Inside | None = None

    def parameters(self) -> dict[str, Any]:
        return self._stage.parameters()

    def load(self) -> None:
        """Load the stage, then watch what it has loaded."""
        began = time.perf_counter()
        self._stage.load()
        self._inside = Inside()
        watch_models(self._inside)
        # All that the worker's processor did until now, imports among it, belongs to its start.
        self._write("load", time.perf_counter() - began, time.process_time(), 0.0)

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        return self._stage.process(recording, rows)

    def process_group(self, recordings: Sequence[Recording], rows: GroupRows) -> Sequence[StageResult | Exception]:
        """The stage's own, timed."""
        assert self._inside is not None
        began, worked, inside = time.perf_counter(), time.process_time(), self._inside.seconds
        try:
            return self._stage.process_group(recordings, rows)
        finally:
            wall, processor = time.perf_counter() - began, time.process_time() - worked
            self._write("process", wall, processor, self._inside.seconds - inside)

    def given_up(self, recording: Recording, reason: str, message: str) -> StageResult:
        return self._stage.given_up(recording, reason, message)

    def reconcile(self, results: Mapping[str, StageResult], earlier: Sequence[Row]) -> dict[str, StageResult]:
        return self._stage.reconcile(results, earlier)

    def _write(self, what: str, wall: float, processor: float, inference: float) -> None:
        line = {"stage": self.name, "what": what, "wall": wall, "processor": processor, "inference": inference}
        with (self._folder / f"{self.name}-{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def written(folder: Path, stage: str, what: str) -> dict[str, float]:
    """Sums over all workers of a stage: `wall`, `processor` and `inference` seconds, for "load" or "process"."""
    lines = [json.loads(line) for file in folder.glob(f"{stage}-*.jsonl") for line in file.open(encoding="utf-8")]
    chosen = [line for line in lines if line["what"] == what]
    return {key: sum(line[key] for line in chosen) for key in ("wall", "processor", "inference")}
