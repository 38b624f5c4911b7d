"""Which engine runs a stage, by `[engine]` of the configuration."""

from __future__ import annotations

from pipeline.engine.engine import Engine
from pipeline.engine.local import LocalEngine
from pipeline.engine.placement import workers_of
from pipeline.engine.ray import RayEngine
from pipeline.errors import ClusterUnavailable
from pipeline.settings import Settings
from pipeline.stage import Stage


def engine_of(settings: Settings, stage: Stage) -> Engine:
    """The engine for one run of a stage. Raises ClusterUnavailable for what a cluster cannot be asked."""
    chosen, resources = settings.engine, stage.resources
    if chosen.kind == "local":
        placements = workers_of(stage.name, resources, chosen)
        return LocalEngine(placements, chosen.attempts, chosen.recording_timeout_s)
    if ":" in resources.device:
        raise ClusterUnavailable(
            f'{stage.name}: device = {resources.device!r} is a card of one machine, and with [engine] kind = "ray" '
            'Ray chooses the card: write device = "cuda"'
        )
    workers = chosen.workers_of.get(stage.name, 0) or chosen.workers
    return RayEngine(chosen.address, resources, workers, chosen.attempts, chosen.recording_timeout_s)
