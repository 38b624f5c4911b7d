"""The engine that runs a stage on a Ray cluster: a model is loaded once an actor, a group given to a free one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from pipeline.engine import ray_cluster
from pipeline.engine.engine import Done, Group, Upstream, Usage
from pipeline.engine.machine import usable_cores
from pipeline.engine.ray_blame import Blame
from pipeline.engine.ray_cluster import Demand
from pipeline.engine.ray_run import Run
from pipeline.stage import Resources, Stage


@dataclass
class RayEngine:
    """Actors on a cluster, as many as its nodes hold, or `asked_workers`. Fulfils `engine.Engine`.

    `grace_seconds` after a worker's death its node must still be there, else the death was the node's.
    `patience_seconds` is how long a node may take to come up that is large enough for a worker.
    """

    address: str
    resources: Resources
    asked_workers: int = 0
    attempts: int = 2
    timeout_seconds: float = 7200.0
    grace_seconds: float = 5.0
    patience_seconds: float = 600.0
    usage: Usage = field(default_factory=Usage)
    _connection: ExitStack = field(default_factory=ExitStack)

    @property
    def workers(self) -> int:
        """How many groups can be worked on at once; connects to the cluster unless the configuration says it."""
        if self.asked_workers:
            return self.asked_workers
        if self.address == ray_cluster.HERE:
            return max(1, int(usable_cores() // self.resources.cpus))
        self._connect()
        return self._places(self._demand())

    def run(self, stage: Stage, groups: Sequence[Group], upstream: Upstream) -> Iterator[Sequence[Done]]:
        """See `engine.Engine.run`. Raises ClusterUnavailable besides, if the cluster cannot do the work."""
        with self._connection:
            if not groups:
                return
            self._connect()
            demand = self._demand()
            run = Run(
                stage,
                groups,
                upstream,
                demand,
                places=lambda: self._places(demand),
                blame=Blame(self.attempts, self.timeout_seconds),
                usage=self.usage,
                grace_seconds=self.grace_seconds,
                patience_seconds=self.patience_seconds,
            )
            try:
                yield from run.results()
            finally:
                run.end()

    def _connect(self) -> None:
        self._connection.enter_context(ray_cluster.connected(self.address))

    def _demand(self) -> Demand:
        return ray_cluster.demand_of(self.resources, ray_cluster.nodes(with_cards=bool(self.resources.gpus)))

    def _places(self, demand: Demand) -> int:
        """How many workers there are to be on the nodes that are up now."""
        return self.asked_workers or max(1, sum(demand.places(node) for node in ray_cluster.nodes()))
