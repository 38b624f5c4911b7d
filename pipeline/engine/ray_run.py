"""One stage over its groups on a Ray cluster: hires actors, hands out groups, and goes on when nodes are lost.

A node that is lost costs time and nothing else. A worker that dies on a node that stays costs its group, which is tried
again one recording at a time.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.engine import ray_cluster, ray_worker
from pipeline.engine.engine import Done, Failure, Group, Upstream, Usage, allowed_seconds
from pipeline.engine.ray_blame import Blame
from pipeline.engine.ray_cluster import Demand
from pipeline.engine.ray_worker import Loaded, Refused, Whereabouts, Worked, Worker
from pipeline.errors import ClusterUnavailable, ModelUnavailable
from pipeline.stage import Stage

_COUNT_SECONDS = 10.0
_UNSURE_SECONDS = 60.0
_SAY_SECONDS = 60.0
_PAUSE_SECONDS = 0.2
_MOST_STARTS = 5

_log = logging.getLogger(__name__)


@dataclass
class Run:
    """`places` says how many workers there are to be now; what they used is counted in `usage`."""

    stage: Stage
    groups: Sequence[Group]
    upstream: Upstream
    demand: Demand
    places: Callable[[], int]
    blame: Blame
    usage: Usage
    grace_seconds: float
    patience_seconds: float
    _workers: list[Worker] = field(default_factory=list)
    _failed_starts: int = 0

    def __post_init__(self) -> None:
        self._queue = deque(self.groups)
        self._parameters = ray_worker.parameters(self.stage)
        self._places, self._counted = 0, -_COUNT_SECONDS
        self._room_since = self._said = time.monotonic()

    def results(self) -> Iterator[Sequence[Done]]:
        """What became of the recordings, as groups end."""
        while self._queue or any(worker.work for worker in self._workers):
            self._hire()
            self._hand_out()
            for worker in self._ready():
                done = self._hear(worker)
                if done:
                    yield done

    def end(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def _hire(self) -> None:
        now = time.monotonic()
        if now - self._counted > _COUNT_SECONDS:
            self._places, self._counted = self.places(), now
        busy = [worker for worker in self._workers if worker.work or worker.state == "fails"]
        wanted = min(self._places, len(self._queue) + sum(worker.work is not None for worker in busy))
        self._workers.extend(ray_worker.hire(self.demand) for _ in range(wanted - len(self._workers)))
        if not self._queue:
            # Others may need the room, or the cluster may shrink, while the last groups are worked on.
            for worker in [worker for worker in self._workers if worker not in busy]:
                self._dismiss(worker)
        self._look_for_room(now)

    def _look_for_room(self, now: float) -> None:
        """Says who waits for room on the cluster, and gives up if no node will ever have it."""
        if not self._workers or any(worker.state != "starts" for worker in self._workers):
            self._room_since = now
        if now - max(self._room_since, self._said) < min(_SAY_SECONDS, self.patience_seconds):
            return
        self._said = now
        nodes = ray_cluster.nodes()
        offers = ", ".join(f"{n.host}: {n.cpus:g} CPUs, {n.gpus:g} GPUs, {n.memory_gb:.1f} GB" for n in nodes)
        words = f"{self.stage.name} waits for a node with {self.demand}; there are {offers or 'none'}"
        late = now - self._room_since >= self.patience_seconds
        if late and not any(self.demand.places(node) for node in nodes):
            raise ClusterUnavailable(words)
        _log.warning(words)

    def _hand_out(self) -> None:
        for worker in self._workers:
            if worker.state != "waits" or not self._queue:
                continue
            group = self._queue.popleft()
            rows = self.upstream(group)
            here = [one.path for one in group.recordings if one.path and Path(one.path).exists()]
            worker.work, worker.began = group, time.monotonic()
            worker.ask("works", worker.actor.work.remote(group, rows, here))

    def _ready(self) -> list[Worker]:
        """Those whose answer is there, and those whose time is over."""
        import ray

        asked = {worker.asked: worker for worker in self._workers if worker.asked is not None}
        found: list[Any] = []
        if asked:
            ray.wait(list(asked), num_returns=1, timeout=0.5)
            found, _ = ray.wait(list(asked), num_returns=len(asked), timeout=0)
        else:
            time.sleep(_PAUSE_SECONDS)
        now, ready = time.monotonic(), [asked[answer] for answer in found]
        return ready + [worker for worker in self._workers if worker not in ready and self._is_over(worker, now)]

    def _is_over(self, worker: Worker, now: float) -> bool:
        if worker.state == "works" and worker.work is not None:
            return now - worker.since > allowed_seconds(worker.work, self.blame.timeout_seconds)
        if worker.state == "fails":
            return now - worker.since > (self.grace_seconds if worker.died else _UNSURE_SECONDS)
        return False

    def _hear(self, worker: Worker) -> Sequence[Done]:
        """What a worker's answer, or its absence, comes to."""
        import ray
        from ray.exceptions import ActorDiedError, OutOfMemoryError, RayError, RayTaskError

        if worker.asked is None or self._is_over(worker, time.monotonic()):
            return self._judge(worker)
        try:
            answer: Any = ray.get(worker.asked)
        except RayTaskError as error:
            return self._fault(worker, error)
        except RayError as error:
            self._doubt(worker, ray_worker.in_brief(error), isinstance(error, ActorDiedError | OutOfMemoryError))
            return ()
        return self._understand(worker, answer)

    @staticmethod
    def _doubt(worker: Worker, words: str, died: bool) -> None:
        """A dead worker is judged when its node has had time to be missed; one that does not answer is asked again."""
        if died:
            worker.died, worker.words = True, words
            worker.ask("fails", None)
        elif worker.state == "fails":
            time.sleep(_PAUSE_SECONDS)
            worker.asked = worker.actor.whereabouts.remote()
        else:
            worker.words = words
            worker.ask("fails", worker.actor.whereabouts.remote())

    def _understand(self, worker: Worker, answer: Whereabouts | Loaded | Refused | Worked) -> Sequence[Done]:
        if worker.state == "fails":
            # It is alive, and what it said of its group is lost: the network or its object store failed.
            self._lost(worker)
        elif isinstance(answer, Whereabouts):
            self._greet(worker, answer)
        elif isinstance(answer, Loaded):
            if answer.parameters != self._parameters:
                raise ClusterUnavailable(
                    f"{self.stage.name} on {worker.where.host}: checkpoints or settings differ from this machine's: "
                    f"{answer.parameters} there, {self._parameters} here"
                )
            self.usage.load_seconds += answer.seconds
            worker.ask("waits", None)
        elif isinstance(answer, Refused):
            raise ModelUnavailable(f"{answer.message} (on {worker.where.host})")
        else:
            return self._worked(worker, answer)
        return ()

    def _greet(self, worker: Worker, where: Whereabouts) -> None:
        worker.where, self._failed_starts = where, 0
        if where.release != ray_worker.release():
            raise ClusterUnavailable(
                f"{where.host} has fangyan {where.release}, this machine {ray_worker.release()}: install one everywhere"
            )
        worker.ask("loads", worker.actor.load.remote(self.stage))

    def _worked(self, worker: Worker, answer: Worked) -> Sequence[Done]:
        if answer.unseen:
            raise ClusterUnavailable(
                f"{worker.where.host} does not see {answer.unseen}: every node needs the landing folder at that path"
            )
        worker.work = None
        worker.ask("waits", None)
        self.usage.peak_memory_mb = max(self.usage.peak_memory_mb, answer.memory_mb)
        return [
            replace(
                done,
                failure=done.failure and replace(done.failure, attempts=1 + self.blame.deaths(done.recording.source)),
            )
            for done in answer.done
        ]

    def _fault(self, worker: Worker, error: Exception) -> Sequence[Done]:
        """The call itself failed in the worker: what it was given or what it made cannot be sent."""
        if worker.work is None:
            raise ModelUnavailable(f"{self.stage.name} cannot start on {worker.where.host}: {error}") from error
        group, worker.work = worker.work, None
        worker.ask("waits", None)
        if len(group.recordings) > 1:
            self._queue.extendleft(reversed(group.alone()))
            return ()
        recording = next(iter(group.recordings))
        words = f"{recording.source}: {ray_worker.in_brief(error)}"
        return [Done(recording, None, Failure("unexpected_error", words, str(error), 1), 0.0)]

    def _judge(self, worker: Worker) -> Sequence[Done]:
        """A worker is gone or must go: by its own group, or with its node."""
        late, node = worker.state == "works", worker.where.node_id
        node_is_gone = bool(node) and not ray_cluster.is_alive(node)
        if not late and (node_is_gone or not worker.died):
            self._lost(worker)
            return ()
        self._dismiss(worker)
        if worker.work is not None:
            again, done = self.blame.of_the_group(worker, worker.work, late)
            if len(again) > 1:
                self._queue.extendleft(reversed(again))
            else:
                self._queue.extend(again)
            return done
        if node:
            raise ModelUnavailable(
                f"{self.stage.name}: a worker died on {worker.where.host} while loading its model: {worker.words}"
            )
        self._failed_starts += 1
        if self._failed_starts >= _MOST_STARTS:
            raise ClusterUnavailable(f"{self.stage.name}: {_MOST_STARTS} workers in turn did not start: {worker.words}")
        return ()

    def _lost(self, worker: Worker) -> None:
        """Its group goes back to the front as it was; nobody is to blame."""
        self._dismiss(worker)
        self._counted = -_COUNT_SECONDS
        if worker.work is not None:
            self._queue.appendleft(worker.work)
            self.blame.of_the_node(worker, worker.work)

    def _dismiss(self, worker: Worker) -> None:
        worker.end()
        self._workers.remove(worker)
