"""Runs a stage over groups of recordings in worker processes: a model is loaded once a worker, native code is caged.

A worker that dies or hangs takes down its group only, which is tried again one recording at a time.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from typing import Any

from pipeline.engine.engine import Done, Failure, Group, Upstream, Usage, allowed_seconds
from pipeline.engine.placement import Placement
from pipeline.engine.processing import THREAD_VARIABLES, peak_memory_mb, process
from pipeline.errors import ModelUnavailable
from pipeline.stage import Stage

_EXIT_GRACE_SECONDS = 5.0


@dataclass
class _Worker:
    process: Any
    pipe: Any
    placement: Placement = None
    loaded: bool = False
    work: Group | None = None
    started: float = 0.0


@dataclass
class LocalEngine:
    """Worker processes on this machine, one a placement. Fulfils `engine.Engine`."""

    placements: Sequence[Placement]
    attempts: int = 2
    timeout_seconds: float = 7200.0
    usage: Usage = field(default_factory=Usage)

    @property
    def workers(self) -> int:
        """How many groups are worked on at once."""
        return len(self.placements)

    def run(self, stage: Stage, groups: Sequence[Group], upstream: Upstream) -> Iterator[Sequence[Done]]:
        """See `engine.Engine.run`."""
        queue = deque(groups)
        attempts: dict[str, int] = {one.source: 0 for group in groups for one in group.recordings}
        workers: list[_Worker] = []
        try:
            workers.extend(_start(stage, placement) for placement in self.placements[: len(queue)])
            while queue or any(worker.work for worker in workers):
                self._hand_out(workers, queue, attempts, upstream)
                for worker in self._ready(workers):
                    done = self._collect(worker, queue, attempts)
                    if worker.work is None and not worker.process.is_alive():
                        workers.remove(worker)
                        if queue:
                            workers.append(_start(stage, worker.placement))
                    if done:
                        yield done
        finally:
            for worker in workers:
                worker.pipe.close()
            for worker in workers:
                worker.process.join(_EXIT_GRACE_SECONDS)
                if worker.process.is_alive():
                    worker.process.kill()
                    worker.process.join()

    @staticmethod
    def _hand_out(workers: list[_Worker], queue: deque[Group], attempts: dict[str, int], upstream: Upstream) -> None:
        for worker in workers:
            if worker.work is not None or not worker.loaded or not queue:
                continue
            work = queue.popleft()
            try:
                worker.pipe.send((work, upstream(work)))
            except (BrokenPipeError, OSError):
                queue.appendleft(work)
                continue
            for recording in work.recordings:
                attempts[recording.source] += 1
            worker.work, worker.started = work, time.monotonic()

    def _ready(self, workers: list[_Worker]) -> list[_Worker]:
        sources = {worker.pipe: worker for worker in workers} | {worker.process.sentinel: worker for worker in workers}
        found = {id(sources[event]): sources[event] for event in wait(list(sources), timeout=1.0)}
        now = time.monotonic()
        for worker in workers:
            if worker.work is not None and id(worker) not in found and self._is_late(worker, now):
                worker.process.kill()
                worker.process.join()
                found[id(worker)] = worker
        return list(found.values())

    def _is_late(self, worker: _Worker, now: float) -> bool:
        return worker.work is not None and now - worker.started > allowed_seconds(worker.work, self.timeout_seconds)

    def _collect(self, worker: _Worker, queue: deque[Group], attempts: dict[str, int]) -> list[Done]:
        """What a worker says of its group; nothing if it is still to come, or comes from another worker."""
        try:
            message = worker.pipe.recv() if worker.pipe.poll() else None
        except (EOFError, OSError):
            message = None
        if message is not None:
            return self._understand(message, worker, attempts)
        late = self._is_late(worker, time.monotonic())
        if worker.process.is_alive():
            # The pipe closed an instant before the process ended.
            worker.process.join(_EXIT_GRACE_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        work, worker.work = worker.work, None
        if not worker.loaded:
            raise ModelUnavailable(f"a worker died with exit code {worker.process.exitcode} while loading its model")
        if work is None:
            return []
        if len(work.recordings) > 1:
            queue.extendleft(reversed(work.alone()))
            return []
        recording = next(iter(work.recordings))
        source = recording.source
        if late:
            reason, words = "timeout", f"took longer than engine.recording_timeout_s = {self.timeout_seconds:g} s"
        else:
            reason, words = "worker_died", f"its worker process died with exit code {worker.process.exitcode}"
        if attempts[source] < self.attempts:
            queue.append(work)
            return []
        failure = Failure(reason, f"{source}: {words}, tried {attempts[source]} times", "", attempts[source])
        return [Done(recording, None, failure, time.monotonic() - worker.started)]

    def _understand(self, message: tuple[Any, ...], worker: _Worker, attempts: dict[str, int]) -> list[Done]:
        kind, *rest = message
        if kind == "loaded":
            worker.loaded = True
            self.usage.load_seconds += rest[0]
            return []
        if kind == "unavailable":
            raise ModelUnavailable(rest[0])
        work, worker.work = worker.work, None
        assert work is not None
        done, memory = rest
        self.usage.peak_memory_mb = max(self.usage.peak_memory_mb, memory)
        return [
            one if one.failure is None else replace(one, failure=replace(one.failure, attempts=attempts[source]))
            for one in done
            for source in (one.recording.source,)
        ]


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Let each process started inside find these variables; libraries read them when they load."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _variables(stage: Stage, placement: Placement) -> dict[str, str]:
    """One thread: sums depend on the number of threads in their last bits, and rows must not depend on how many workers
    there are. And one card, unless the configuration names one by its number: that counts from all cards.
    """
    variables: dict[str, str] = {name: "1" for name in THREAD_VARIABLES}
    if placement is not None and ":" not in stage.resources.device:
        variables["CUDA_VISIBLE_DEVICES"] = placement.uuid
    return variables


def _start(stage: Stage, placement: Placement) -> _Worker:
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(stage, theirs), name=f"fangyan-{stage.name}")
    with _environment(_variables(stage, placement)):
        process.start()
    theirs.close()
    return _Worker(process, ours, placement)


def _work(stage: Stage, pipe: Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # The stage has ended without this worker, because another one's model was unavailable.
    with contextlib.suppress(BrokenPipeError):
        _serve(stage, pipe)


def _serve(stage: Stage, pipe: Connection) -> None:
    started = time.monotonic()
    try:
        stage.load()
    except ModelUnavailable as error:
        pipe.send(("unavailable", f"{stage.name}: {error}"))
        return
    except Exception as error:
        pipe.send(("unavailable", f"{stage.name}: its model cannot load: {error}\n{traceback.format_exc()}"))
        return
    pipe.send(("loaded", time.monotonic() - started))
    while True:
        try:
            group, rows = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(("done", process(stage, group, rows), peak_memory_mb()))


def _end_with_parent() -> None:
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
