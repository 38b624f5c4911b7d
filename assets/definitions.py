"""The code location: gathers assets, checks, jobs and automation. `build_definitions` is the tests' one seam."""

from __future__ import annotations

import dagster as dg

from assets.alerts import alert_sensors
from assets.asset_checks import asset_checks
from assets.automation import sensors
from assets.corpus_assets import corpus_assets
from assets.dead_runs import dead_runs
from assets.executor import in_one_process
from assets.jobs import jobs
from assets.policies import complete
from assets.redo import redo_for_dialect, redo_of_batches
from assets.report_asset import report
from assets.resources import Workspace
from assets.schedules import build_schedules
from assets.sources import sources
from assets.stage_assets import stage_assets
from assets.voice_assets import voice_assets


def build_definitions(workspace: Workspace | None = None) -> dg.Definitions:
    """Everything Dagster is told, on the workspace given (default: the one that the configuration names).

    Raises SettingsError.
    """
    workspace = workspace or Workspace()
    settings = workspace.settings()
    when = settings.schedules
    assets = dg.with_source_code_references([*stage_assets(), *corpus_assets, *voice_assets(settings), report])
    definitions = dg.Definitions(
        assets=[*assets, *sources],
        asset_checks=asset_checks(),
        jobs=[*jobs, redo_for_dialect],
        sensors=[dead_runs, *sensors, redo_of_batches, *alert_sensors],
        schedules=build_schedules(when),
        resources={"workspace": workspace},
        # A stage works in worker processes of its own; a process for each step would spend its time on imports.
        executor=in_one_process,
    )
    return definitions.permissive_map_resolved_asset_specs(lambda spec: complete(spec, when), selection=None)


defs = build_definitions()
