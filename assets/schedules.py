"""What starts at an hour of the clock: time zone and hours are those of [schedules] in the configuration."""

import dagster as dg

from assets.jobs import AUTOMATIC, IN_THE_BACKGROUND, corpus_job, voice_job
from assets.partitions import dialect_partitions
from assets.resources import Workspace
from pipeline.settings import Schedules


def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Links speakers and rebuilds corpus and catalog every night, whatever automation has done by day."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.strftime("%Y-%m-%d"), tags=AUTOMATIC)


def weekly_voices(context: dg.ScheduleEvaluationContext, workspace: Workspace) -> list[dg.RunRequest] | dg.SkipReason:
    """Once a week trains and judges the voice of each dialect that has enough to learn from, where it changed."""
    seconds: dict[str, float] = {}
    for row in workspace.lake().rows("training_set", None, ("dialect", "split", "seconds")):
        if row["split"] == "train":
            seconds[row["dialect"]] = seconds.get(row["dialect"], 0.0) + row["seconds"]
    least = workspace.settings().training_set.min_total_seconds
    week = context.scheduled_execution_time.strftime("%Y-%m-%d")
    wanted = [code for code in dialect_partitions.get_partition_keys() if seconds.get(code, 0.0) >= max(least, 1e-9)]
    if not wanted:
        return dg.SkipReason(f"no dialect has {least:g} s of speech to train on yet")
    return [dg.RunRequest(run_key=f"{code} {week}", partition_key=code, tags=IN_THE_BACKGROUND) for code in wanted]


def build_schedules(when: Schedules) -> list[dg.ScheduleDefinition]:
    """The schedules at the hours given; they are read when the code location is loaded."""
    shared = {"execution_timezone": when.timezone, "default_status": dg.DefaultScheduleStatus.RUNNING}
    return [
        dg.schedule(job=corpus_job, cron_schedule=when.nightly, **shared)(nightly),
        dg.schedule(job=voice_job, cron_schedule=when.weekly_voices, **shared)(weekly_voices),
    ]
