"""What starts runs: the sensor that turns landed files into batches, the nightly schedule, automation conditions."""

import time

import dagster as dg

from assets.dead_runs import dead_runs
from assets.partitions import batch_partitions, dialect_partitions
from assets.resources import Workspace
from assets.stage_assets import GROUP
from pipeline import batches

line_job = dg.define_asset_job(
    "line_job",
    selection=dg.AssetSelection.groups(GROUP),
    description="All stages of the pipeline over one batch.",
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
benchmark_job = dg.define_asset_job(
    "benchmark_job",
    selection=dg.AssetSelection.groups("benchmark"),
    description="The report and the catalog over all dialects.",
)


@dg.sensor(job=line_job, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def landed_files(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult | dg.SkipReason:
    """Closes batches of landed files by hours of audio and starts the pipeline on each, some a tick.

    The cursor is the last batch started; names are in order, so a tick that is repeated starts nothing twice.
    """
    settings = workspace.settings()
    limit = settings.batches.max_new_per_tick
    batches.plan(settings.landing, settings.root, settings, time.time(), limit=limit)
    started = int((context.cursor or "b0")[1:])
    fresh = [name for name in batches.names(settings.root) if int(name[1:]) > started][:limit]
    if not fresh:
        return dg.SkipReason(f"no batch is full or {settings.batches.max_wait_hours:g} h old in {settings.landing}")
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=name, partition_key=name) for name in fresh],
        dynamic_partitions_requests=[batch_partitions.build_add_request(fresh)],
        cursor=fresh[-1],
    )


@dg.schedule(job=corpus_job, cron_schedule="0 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Links speakers and rebuilds corpus and catalog every night at three, whatever automation has done by day."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.strftime("%Y-%m-%d"))


@dg.schedule(job=voice_job, cron_schedule="0 4 * * 0", default_status=dg.DefaultScheduleStatus.RUNNING)
def weekly_voices(context: dg.ScheduleEvaluationContext, workspace: Workspace) -> list[dg.RunRequest] | dg.SkipReason:
    """Every Sunday trains and judges the voice of each dialect that has something to learn from, where it changed."""
    lake = workspace.lake()
    spoken = {row["dialect"] for row in lake.rows("training_set", None, ("dialect",))}
    week = context.scheduled_execution_time.strftime("%Y-%m-%d")
    wanted = [code for code in dialect_partitions.get_partition_keys() if code in spoken]
    if not wanted:
        return dg.SkipReason("no dialect has a training set yet")
    return [dg.RunRequest(run_key=f"{code} {week}", partition_key=code) for code in wanted]


follow_line = dg.AutomationConditionSensorDefinition(
    "follow_line",
    target=dg.AssetSelection.groups(GROUP),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=60,
)
follow_corpus = dg.AutomationConditionSensorDefinition(
    "follow_corpus",
    target=dg.AssetSelection.groups("corpus"),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=60,
)
follow_voices = dg.AutomationConditionSensorDefinition(
    "follow_voices",
    target=dg.AssetSelection.groups("voice", "benchmark"),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=60,
)

jobs = [line_job, corpus_job, voice_job, benchmark_job]
sensors = [dead_runs, landed_files, follow_line, follow_corpus, follow_voices]
schedules = [nightly, weekly_voices]
