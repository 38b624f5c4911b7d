"""Doing stages again for one dialect: which batches are found, which runs are started, and what they work on."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from test_batch_runs import land

from assets.definitions import build_definitions
from assets.redo import redo_of_batches
from assets.resources import Workspace
from pipeline import batches
from pipeline.run import run_stage
from pipeline.stage_list import build_stage

pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """One batch with a recording of Mandarin and one of Wu, taken in; a second with Mandarin alone."""
    config = tmp_path / "fangyan.toml"
    config.write_text(f'workspace = "{tmp_path}"\n[engine]\nworkers = 1\n[ingest]\nrequire_consent = false\n')
    workspace = Workspace(config=str(config))
    settings = workspace.settings()
    for name, tone in (("cmn/radio/a", 0.2), ("wuu/radio/b", 0.3)):
        land(settings.landing / f"{name}.wav", tone)
    batches.plan(settings.landing, settings.root, settings, 0.0, close_all=True)
    land(settings.landing / "cmn/radio/c.wav", 0.4)
    batches.plan(settings.landing, settings.root, settings, 0.0, close_all=True)
    for batch in ("b00001", "b00002"):
        run_stage(build_stage("ingest", settings), batch, settings)
    return workspace


def test_only_the_dialect_s_recordings_are_worked_on_again(workspace: Workspace) -> None:
    settings = workspace.settings()
    stage = build_stage("ingest", settings)
    again = run_stage(stage, "b00001", settings, redo_dialect="wuu")
    assert (again.recordings, again.recomputed, again.reused) == (2, 1, 1)
    assert run_stage(stage, "b00001", settings).recomputed == 0


def test_the_job_starts_a_run_of_each_batch_that_has_the_dialect(workspace: Workspace) -> None:
    definitions = build_definitions(workspace)
    job = definitions.resolve_job_def("redo_for_dialect")
    config = {"ops": {"choose_batches": {"config": {"dialect": "wuu", "first": "aligned_segments"}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("batch", ["b00001", "b00002"])
        result = job.execute_in_process(instance=instance, run_config=config)
        assert result.success
        context = dg.build_run_status_sensor_context(
            sensor_name="redo_of_batches",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_success_event(),
            resources={"workspace": workspace},
        )
        (request,) = list(redo_of_batches(context))
    assert request.partition_key == "b00001"
    names = [key.to_user_string() for key in request.asset_selection]
    assert names == ["aligned_segments", "scored_segments", "dialect_segments"]
    assert request.run_config["ops"]["scored_segments"] == {"config": {"redo_dialect": "wuu"}}


def test_a_dialect_that_nobody_knows_is_refused_before_the_run(workspace: Workspace) -> None:
    job = build_definitions(workspace).resolve_job_def("redo_for_dialect")
    with pytest.raises(dg.DagsterInvalidConfigError, match="dialect"):
        job.execute_in_process(run_config={"ops": {"choose_batches": {"config": {"dialect": "wu"}}}})
