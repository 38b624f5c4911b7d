"""A Ray cluster: reached by its address or started in this process, and what its nodes offer to workers.

Ray's dashboard and its reports to its maker stay off, and what its processes print stays in its own logs.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipeline.engine.machine import card_memory_gb, usable_cores
from pipeline.errors import ClusterUnavailable
from pipeline.stage import Resources

HERE = "local"
"""The address of a cluster that is started in this process and ends with the work."""
_INSTALL = "[engine] kind = \"ray\" needs Ray, which is not installed: pip install 'fangyan[ray]'"
_CONNECT_SECONDS = 10.0
_LOOK_SECONDS = 90.0
_SMALLEST_SHARE = 1e-4
"""Of a card, as Ray counts it."""


@dataclass(frozen=True)
class Node:
    """One machine of the cluster; `card_gb` is the memory of its smallest card, 0 where that was not asked."""

    node_id: str
    host: str
    cpus: float
    gpus: float
    memory_gb: float
    card_gb: float = 0.0


@dataclass(frozen=True)
class Demand:
    """What one worker asks of a node; `gpus` is a share of one card, or 0."""

    cpus: float
    gpus: float
    memory_gb: float

    def places(self, node: Node) -> int:
        """How many such workers the node holds when nothing else is on it."""
        rooms = [node.memory_gb // self.memory_gb] if self.memory_gb else []
        rooms += [node.cpus // self.cpus] if self.cpus else []
        # A share lies on one card, never on two.
        rooms += [int(node.gpus) * (1 // self.gpus)] if self.gpus else []
        return int(min(rooms))

    def __str__(self) -> str:
        cards = f", {self.gpus:g} of a GPU" if self.gpus else ""
        return f"{self.cpus:g} CPU{cards} and {self.memory_gb:g} GB of memory"


def demand_of(resources: Resources, nodes: Sequence[Node]) -> Demand:
    """What a worker of a stage asks: of a card as much as its memory goes into the smallest card that holds it.

    A stage that wants a GPU where no node has one asks for none; its worker says so.
    """
    cards = [node.card_gb for node in nodes if node.gpus]
    if not resources.gpus or not cards:
        return Demand(resources.cpus, 0.0, resources.memory_gb)
    fitting = [card for card in cards if resources.gpu_memory_gb and card >= resources.gpu_memory_gb]
    workers = int(min(fitting) // resources.gpu_memory_gb) if fitting else 1
    share = int(1 / workers / _SMALLEST_SHARE) * _SMALLEST_SHARE
    return Demand(resources.cpus, round(share, 4), resources.memory_gb)


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Inside, this process is connected to the cluster; a connection that was there before is used and left alone.

    Raises ClusterUnavailable.
    """
    # Ray reads these when it is imported.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ClusterUnavailable(_INSTALL) from error
    if ray.is_initialized():
        yield
        return
    _look_for(address)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": "fangyan"}
    if address == HERE:
        options |= {"num_cpus": usable_cores(), "include_dashboard": False}
    _silence()
    with _own_signals():
        try:
            ray.init(address, **options)
        except Exception as error:
            raise ClusterUnavailable(f"[engine] address = {address!r}: {type(error).__name__}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def nodes(with_cards: bool = False) -> list[Node]:
    """The nodes that are up. With cards, each node that has some is asked how much memory they have."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    found = [_node(each) for each in ray.nodes() if each["Alive"]]
    if not with_cards or not any(node.gpus for node in found):
        return found
    ask = ray.remote(card_memory_gb)
    asked = {}
    for node in found:
        if node.gpus:
            there = NodeAffinitySchedulingStrategy(node.node_id, soft=False)
            asked[node.node_id] = ask.options(num_cpus=0, scheduling_strategy=there).remote()
    sizes = {node_id: min(ray.get(answer, timeout=_LOOK_SECONDS), default=0.0) for node_id, answer in asked.items()}
    return [replace(node, card_gb=sizes.get(node.node_id, 0.0)) for node in found]


def is_alive(node_id: str) -> bool:
    """Whether the cluster still counts on a node."""
    import ray

    return any(each["NodeID"] == node_id and each["Alive"] for each in ray.nodes())


def look(address: str) -> list[Node]:
    """What a cluster offers now, asked by a process of its own: Ray ends the process that loses its cluster.

    Raises ClusterUnavailable, within two minutes.
    """
    command = (sys.executable, "-m", "pipeline.engine.ray_cluster", address)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        raise ClusterUnavailable(f"[engine] address = {address!r}: no answer in {_LOOK_SECONDS:g} s") from None
    last = (done.stdout.strip().splitlines() or [""])[-1]
    if done.returncode == 0:
        return [Node(**each) for each in json.loads(last)]
    raise ClusterUnavailable(last or (done.stderr.strip().splitlines() or ["it ended without a word"])[-1])


def _node(said: dict[str, Any]) -> Node:
    offers = said["Resources"]
    return Node(
        said["NodeID"],
        said["NodeManagerHostname"],
        offers.get("CPU", 0.0),
        offers.get("GPU", 0.0),
        offers.get("memory", 0.0) / 1e9,
    )


def _look_for(address: str) -> None:
    """Ray tries an address where nobody answers for minutes, and some ways of failing end the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        words = error.strerror or error
        raise ClusterUnavailable(f"[engine] address = {address!r}: nothing answers there: {words}") from None


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray puts its handler of SIGTERM in place of the one that is there; afterwards ours is back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _silence() -> None:
    """What Ray prints of dead workers and nodes is told in our words; it has no public switch for that."""
    import ray._private.worker

    ray._private.worker._worker_logs_enabled = False


def _main(address: str) -> int:
    try:
        with connected(address):
            print(json.dumps([asdict(node) for node in nodes(with_cards=True)]))
    except ClusterUnavailable as error:
        print(" ".join(str(error).split()))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
