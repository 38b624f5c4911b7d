"""What `fangyan doctor` says of the Ray cluster that is configured: whether it answers and what it offers."""

from __future__ import annotations

from collections.abc import Iterator

from cli.checkpoint_findings import Finding
from pipeline import stage_list
from pipeline.engine import ray_cluster
from pipeline.engine.engines import engine_of
from pipeline.engine.ray_cluster import Node, demand_of
from pipeline.errors import ClusterUnavailable
from pipeline.settings import Settings

_SUBJECT = "ray"


def cluster(settings: Settings) -> Iterator[Finding]:
    """The cluster, then for each stage how many workers it holds. What else runs there does not count."""
    address = settings.engine.address
    try:
        nodes = ray_cluster.look(address)
    except ClusterUnavailable as error:
        yield Finding(_SUBJECT, "missing", str(error))
        return
    yield Finding(_SUBJECT, "ok", f"{address}: {_in_words(nodes)}")
    for entry in stage_list.STAGES:
        yield _stage(entry.name, nodes, settings)


def _stage(name: str, nodes: list[Node], settings: Settings) -> Finding:
    stage = stage_list.build_stage(name, settings)
    try:
        engine_of(settings, stage)
    except ClusterUnavailable as error:
        return Finding(name, "missing", str(error))
    demand = demand_of(stage.resources, nodes)
    places = sum(demand.places(node) for node in nodes)
    words = f"room for {places} worker{'' if places == 1 else 's'} of {demand}"
    asked = settings.engine.workers_of.get(name, 0) or settings.engine.workers
    if asked:
        words += f"; [engine] asks for {asked}"
    if places == 0:
        return Finding(name, "warning", f"{words}: it waits until a large enough node joins")
    if stage.resources.device == "auto" and not stage.resources.gpus and any(node.gpus for node in nodes):
        return Finding(
            name, "warning", f'{words}; device = "auto" asks this machine, which has no GPU: write device = "cuda"'
        )
    return Finding(name, "info", words)


def _in_words(nodes: list[Node]) -> str:
    """`3 nodes: 48 CPUs, 2 GPUs, 120.0 GB of memory`."""
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    memory = sum(node.memory_gb for node in nodes)
    count = f"{len(nodes)} node{'' if len(nodes) == 1 else 's'}"
    return f"{count}: {cpus:g} CPUs, {gpus:g} GPUs, {memory:.1f} GB of memory for workers"
