"""Whose fault it was that a worker on a Ray cluster is gone: its recording's, or its node's, which costs no try."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.engine import ray_cluster
from pipeline.engine.engine import Done, Failure, Group
from pipeline.engine.ray_worker import Worker
from pipeline.errors import ClusterUnavailable

_MOST_LOSSES = 20


@dataclass
class Blame:
    """Counts deaths by recording; a recording has so many `attempts`, and a worker `timeout_seconds` for it."""

    attempts: int
    timeout_seconds: float
    _deaths: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _losses: Counter[str] = field(default_factory=Counter)

    def deaths(self, source: str) -> int:
        """How many workers a recording has taken down."""
        return len(self._deaths[source])

    def of_the_node(self, worker: Worker, group: Group) -> None:
        """A group was lost with its node. Raises ClusterUnavailable if that happens to it over and over."""
        first = group.recordings[0].source
        self._losses[first] += 1
        if self._losses[first] > _MOST_LOSSES:
            raise ClusterUnavailable(
                f"{first}: {_MOST_LOSSES} nodes in turn were lost over it or its group; none of its files is given up. "
                f"The last one, {worker.where.host}: {worker.words}"
            )

    def of_the_group(self, worker: Worker, group: Group, late: bool) -> tuple[Sequence[Group], Sequence[Done]]:
        """Its worker died, or was ended because it was late: what is to be tried again, and what is given up."""
        if len(group.recordings) > 1:
            return group.alone(), ()
        recording = next(iter(group.recordings))
        deaths = self._deaths[recording.source]
        deaths.append(worker.where.node_id)
        # A node may have been seen as there when its worker died, and be gone by now.
        deaths[:] = [node for node in deaths if ray_cluster.is_alive(node)]
        if len(deaths) < self.attempts:
            return [group], ()
        if late:
            reason, words = "timeout", f"took longer than engine.recording_timeout_s = {self.timeout_seconds:g} s"
        else:
            reason, words = "worker_died", f"its worker on {worker.where.host} died: {worker.words}"
        failure = Failure(reason, f"{recording.source}: {words}, tried {len(deaths)} times", "", len(deaths))
        return (), [Done(recording, None, failure, time.monotonic() - worker.began)]
