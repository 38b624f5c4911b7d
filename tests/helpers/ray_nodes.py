"""A Ray cluster on this machine whose nodes are processes of it, one core each, and nothing left of it afterwards."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.engine import ray_cluster
from pipeline.project import PROJECT

OFFERS: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "memory": 4 * 10**9}
_END_SECONDS = 60.0
_STARTS = 5


class Nodes:
    """A head and further nodes. `add` and `kill` work on nodes other than the head."""

    def __init__(self) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        from ray.cluster_utils import Cluster

        head = OFFERS | {"include_dashboard": False}
        self._cluster: Any = _started(lambda: Cluster(initialize_head=True, head_node_args=head))
        self.address = str(self._cluster.address)

    def add(self) -> Any:
        """One more node."""
        return _started(lambda: self._cluster.add_node(**OFFERS))

    def kill(self, node: Any) -> None:
        """As a machine that is switched off: its processes get no chance to say anything."""
        self._cluster.remove_node(node, allow_graceful=False)

    def kill_all(self) -> None:
        """The whole cluster."""
        self._cluster.shutdown()


def _started(start: Callable[[], Any]) -> Any:
    """Ray gives its processes 30 s to come up, too few on a busy machine: then they are ended and started anew."""
    before = left()
    for _ in range(_STARTS - 1):
        try:
            return start()
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
            for number, _ in left() - before:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
    return start()


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    """Two nodes of one core, to which this process is connected; raises if a process of Ray is left afterwards."""
    before, path = left(), os.environ.get("PYTHONPATH")
    # Nodes import stages of the tests as they import those of the project.
    folders = [str(PROJECT), str(PROJECT / "tests/helpers")]
    os.environ["PYTHONPATH"] = os.pathsep.join([*folders, path] if path else folders)
    nodes = Nodes()
    try:
        nodes.add()
        with ray_cluster.connected(nodes.address):
            yield nodes
    finally:
        nodes.kill_all()
        if path is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = path
        ends = time.monotonic() + _END_SECONDS
        while left() - before and time.monotonic() < ends:
            time.sleep(0.2)
        still = left() - before
        if still:
            raise AssertionError(f"processes of Ray are left {_END_SECONDS:g} s after its end: {sorted(still)}")


def left() -> set[tuple[int, str]]:
    """Number and name of each process of Ray that was started below this one or has lost its parent."""
    found = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(name in command[0] for name in ("raylet", "gcs_server", "ray::")):
            found.add((int(folder.name), Path(command[0]).name))
    return found
