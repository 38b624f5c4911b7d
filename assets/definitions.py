"""The code location: gathers assets, checks, jobs and automation. `build_definitions` is the tests' one seam."""

from __future__ import annotations

import dagster as dg

from assets.alerts import alert_sensors
from assets.asset_checks import checks, stage_checks, voice_checks
from assets.automation import jobs, schedules, sensors
from assets.corpus_assets import corpus_assets
from assets.executor import in_one_process
from assets.report_asset import benchmark
from assets.resources import Workspace
from assets.stage_assets import stage_assets
from assets.voice_assets import voice_assets


def build_definitions(workspace: Workspace | None = None) -> dg.Definitions:
    """Everything Dagster is told, on the workspace given (default: the one that the configuration names)."""
    return dg.Definitions(
        assets=[*stage_assets(), *corpus_assets, *voice_assets, benchmark],
        asset_checks=[*stage_checks(), *checks, *voice_checks],
        jobs=jobs,
        sensors=[*sensors, *alert_sensors],
        schedules=schedules,
        # A stage works in worker processes of its own; a process for each step would spend its time on imports.
        executor=in_one_process,
        resources={"workspace": workspace or Workspace()},
    )


defs = build_definitions()
