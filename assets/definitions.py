"""The code location: gathers assets, checks, jobs and automation. `build_definitions` is the tests' one seam."""

from __future__ import annotations

import dagster as dg

from assets.automation import jobs, schedules, sensors
from assets.benchmark import benchmark
from assets.checks import checks
from assets.corpus import corpus_assets
from assets.line import line_assets
from assets.resources import Workspace
from assets.voice_checks import voice_checks
from assets.voices import voice_assets


def build_definitions(workspace: Workspace | None = None) -> dg.Definitions:
    """Everything Dagster is told, on the workspace given (default: the one that the configuration names)."""
    return dg.Definitions(
        assets=[*line_assets, *corpus_assets, *voice_assets, benchmark],
        asset_checks=[*checks, *voice_checks],
        jobs=jobs,
        sensors=sensors,
        schedules=schedules,
        resources={"workspace": workspace or Workspace()},
    )


defs = build_definitions()
