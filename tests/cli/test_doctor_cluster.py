"""What `fangyan doctor` says of a Ray cluster that does not answer."""

from __future__ import annotations

import socket

from cli.cluster_findings import cluster
from pipeline.settings import Engine, Settings


def test_a_cluster_that_does_not_answer_is_missing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        (finding,) = cluster(Settings(engine=Engine(kind="ray", address=address)))
    assert (finding.subject, finding.state) == ("ray", "missing")
    assert f"[engine] address = '{address}': nothing answers there" in finding.detail
