"""The jobs that a person, a schedule or the command line starts, and how urgent each kind of run is."""

import time

import dagster as dg

from assets.partitions import batch_partitions
from assets.resources import Workspace
from assets.stage_assets import GROUP
from pipeline import batches

# The queue takes the highest first. What a person starts in the UI has none, which is 0, as new batches have.
AUTOMATIC = {"dagster/priority": "-5"}
IN_THE_BACKGROUND = {"dagster/priority": "-10"}
"""Of training sets and voices, which nobody waits for."""

stages_job = dg.define_asset_job(
    "stages_job",
    selection=dg.AssetSelection.groups(GROUP),
    description="All stages of the pipeline over one batch.",
)
line_job = dg.define_asset_job(
    "line_job",
    selection=dg.AssetSelection.groups(GROUP),
    description="The name that stages_job had; it goes with the next version.",
)
corpus_job = dg.define_asset_job(
    "corpus_job",
    selection=dg.AssetSelection.groups("corpus"),
    description="Speakers, corpus and catalog over all batches.",
)
voice_job = dg.define_asset_job(
    "voice_job",
    selection=dg.AssetSelection.groups("voice"),
    description="One dialect: training set, fine-tuned model, validation set, evaluation, promotion.",
)
report_job = dg.define_asset_job(
    "report_job",
    selection=dg.AssetSelection.groups("report"),
    description="The report and the catalog over all dialects.",
)
benchmark_job = dg.define_asset_job(
    "benchmark_job",
    selection=dg.AssetSelection.groups("report"),
    description="The name that report_job had; it goes with the next version.",
)


@dg.op
def close_batches(context: dg.OpExecutionContext, workspace: Workspace) -> None:
    """Closes batches over everything that has landed, full or not; their runs begin within a minute."""
    settings = workspace.settings()
    settings.landing.mkdir(parents=True, exist_ok=True)
    closed = batches.plan(settings.landing, settings.root, settings, time.time(), close_all=True)
    context.instance.add_dynamic_partitions(batch_partitions.name or "batch", closed)
    named = ", ".join(closed) or f"none: every file in {settings.landing} is in a batch already"
    context.log.info("batches closed: %s", named)
    context.add_output_metadata({"closed": closed})


@dg.job(
    description="Closes the batch of files that wait now, without waiting for more. The sensor landed_files runs it."
)
def close_batch_now() -> None:
    close_batches()


jobs = [stages_job, line_job, corpus_job, voice_job, report_job, benchmark_job, close_batch_now]
