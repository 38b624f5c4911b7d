"""The stages as assets, one a stage and table, made from the stage list; one partition is one batch.

An asset depends on the tables that its stage reads. What a stage does is not here.
"""

import dagster as dg
from pydantic import Field

from assets.batch_runs import batches_of
from assets.conditions import FOLLOW_CONTENT
from assets.lineage import table_metadata
from assets.metadata import progress_of, stage_metadata
from assets.partitions import batch_partitions
from assets.resources import Workspace
from assets.sources import LANDING
from assets.transient import retried_if_it_passes
from pipeline import ledger, stage_list
from pipeline.lake.content import content_of
from pipeline.run import run_stage
from pipeline.stage_list import StageEntry

GROUP = "stages"


class StageConfig(dg.Config):
    """How a run treats what stands already; with the defaults only what changed is worked on."""

    retry_quarantined: bool = Field(default=False, description="give files in quarantine another try")
    redo_dialect: str = Field(default="", description="code of a dialect whose recordings are worked on again")


def stage_assets() -> list[dg.AssetsDefinition]:
    """The asset of each stage, in order."""
    return [_stage_asset(entry, number) for number, entry in enumerate(stage_list.STAGES)]


def _stage_asset(entry: StageEntry, number: int) -> dg.AssetsDefinition:
    upstream = [one.asset for one in stage_list.upstream(entry)]

    @dg.asset(
        name=entry.asset,
        deps=upstream or [LANDING.key],
        partitions_def=batch_partitions,
        group_name=GROUP,
        pool=entry.pool,
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version=entry.stage_class.version,
        kinds=set(entry.kinds),
        description=entry.description,
        automation_condition=FOLLOW_CONTENT if upstream else None,
        # The ledger goes from stage to stage in the order of the list, also where no table is handed over.
        op_tags={"dagster/priority": str(-number)},
    )
    def stage_asset(
        context: dg.AssetExecutionContext, config: StageConfig, workspace: Workspace
    ) -> dg.MaterializeResult:
        settings = workspace.settings()
        stage = entry.build(settings)
        wanted = batches_of(context, workspace)
        for batch in wanted:
            with retried_if_it_passes(), workspace.writing(), progress_of(context, entry.name) as progress:
                again = {"retry_quarantined": config.retry_quarantined, "redo_dialect": config.redo_dialect}
                report = run_stage(stage, batch, settings, progress, **again)
            facts = stage_metadata(report, settings) | table_metadata(entry.table)
            context.add_asset_metadata(facts, partition_key=batch)
        written = [one for batch in wanted for one in _written(entry, batch)]
        return dg.MaterializeResult(data_version=dg.DataVersion(content_of(workspace.lake(), written)))

    return stage_asset


def _written(entry: StageEntry, batch: str) -> list[tuple[str, str]]:
    """Tables and partitions that say what the stage made of a batch."""
    return [(entry.table, batch), ("ledger", ledger.partition(batch, entry.name))]
