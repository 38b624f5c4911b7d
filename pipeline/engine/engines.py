"""Which engine runs a stage, by `[engine]` of the configuration."""

from __future__ import annotations

from pipeline.engine.engine import Engine
from pipeline.engine.local import LocalEngine
from pipeline.engine.placement import workers_of
from pipeline.settings import Settings
from pipeline.stage import Stage


def engine_of(settings: Settings, stage: Stage) -> Engine:
    """The engine for one run of a stage."""
    placements = workers_of(stage.name, stage.resources, settings.engine)
    return LocalEngine(placements, settings.engine.attempts, settings.engine.recording_timeout_s)
