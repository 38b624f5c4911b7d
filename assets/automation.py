"""What starts runs by itself: the sensors that turn landed files into batches and a changed corpus into training sets,
and those that follow the assets' conditions (assets/conditions.py). Schedules are in assets/schedules.py.
"""

import time
from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg

from assets.corrected_batches import corrected_batches
from assets.jobs import AUTOMATIC, IN_THE_BACKGROUND, stages_job
from assets.partitions import batch_partitions, dialect_partitions
from assets.resources import Workspace
from assets.sources import heartbeat
from assets.stage_assets import GROUP
from assets.voice_assets import training_set
from pipeline import batches, ledger, stage_list
from pipeline.corpus.training_set import dialects_with_speech
from pipeline.lake.lake import Lake
from pipeline.settings import Settings


@dg.sensor(job=stages_job, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def landed_files(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult:
    """Closes batches of landed files by hours of audio and starts the stages on each that nobody has run, some a tick.

    Also makes the landing folder, and removes partitions that are no batches. The cursor is the last batch looked at;
    names are in order, so a tick that is repeated starts nothing twice.
    """
    settings = workspace.settings()
    settings.landing.mkdir(parents=True, exist_ok=True)
    limit = settings.batches.max_new_per_tick
    batches.plan(settings.landing, settings.root, settings, time.time(), limit=limit)
    names = batches.names(settings.root)
    started = int((context.cursor or "b0")[1:])
    fresh = [name for name in names if int(name[1:]) > started]
    claimed = batches.somebody_runs_all(settings.root)
    busy = [name for name in fresh if _is_running(context.instance, name) or (claimed and not _is_done(settings, name))]
    wanted = [name for name in fresh if name not in busy and not _is_done(settings, name)][:limit]
    seen = wanted[-1] if len(wanted) == limit else (fresh[-1] if fresh else context.cursor)
    known = set(context.instance.get_dynamic_partitions(batch_partitions.name or "batch"))
    added = [name for name in fresh if name not in known and int(name[1:]) <= int((seen or "b0")[1:])]
    if busy:
        # Who runs it may be killed: it is looked at again. The run key keeps those after it from being started twice.
        seen = min(seen or busy[0], f"b{int(busy[0][1:]) - 1:05d}", key=lambda name: int(name[1:]))
    changes: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if added:
        changes.append(batch_partitions.build_add_request(added))
    if strange := sorted(name for name in known if not batches.is_name(name)):
        context.log.warning("no batches are called %s; the partitions are removed", ", ".join(strange))
        changes.append(batch_partitions.build_delete_request(strange))
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=name, partition_key=name) for name in wanted],
        skip_reason=None if wanted else ("`fangyan run` is at the batches" if claimed else _waiting(settings)),
        dynamic_partitions_requests=changes,
        asset_events=heartbeat(context.instance, settings),
        cursor=seen,
    )


def _is_done(settings: Settings, batch: str) -> bool:
    """Whether the last stage has written its ledger: the command line was here first."""
    return Lake(settings.lake).path("ledger", ledger.partition(batch, stage_list.names()[-1])).exists()


def _is_running(instance: dg.DagsterInstance, batch: str) -> bool:
    active = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    return bool(instance.get_runs(dg.RunsFilter(tags={"dagster/partition": batch}, statuses=active), limit=1))


def _waiting(settings: Settings) -> str:
    """How much has landed and is in no batch yet, and when that will be one."""
    found = batches.waiting(settings.landing, settings.root, settings)
    if not found.files:
        return f"no file waits in {settings.landing}"
    closes = datetime.fromtimestamp(found.closes or 0.0, ZoneInfo(settings.schedules.timezone))
    files = "1 file waits" if found.files == 1 else f"{found.files} files wait"
    return (
        f"{files} in {settings.landing}: {found.seconds / 3600:.2f} of {settings.batches.hours:g} h; the batch closes "
        f"when it is full, at the latest {closes:%Y-%m-%d %H:%M %Z}; the job close_batch_now closes it at once"
    )


@dg.sensor(target=training_set, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def new_training_sets(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult:
    """Asks for the training set of each dialect that has speech, or had, when corpus or consents have other content."""
    keys = (dg.AssetKey("corpus"), dg.AssetKey("consents"))
    now = {key: _data_version(context.instance, key) for key in keys}
    if None in now.values():
        return dg.SensorResult(skip_reason="corpus and consents have not been made yet")
    state = " ".join(str(version)[:12] for version in now.values())
    if context.cursor == state:
        return dg.SensorResult(skip_reason="corpus and consents are as they were", cursor=state)
    spoken = dialects_with_speech(workspace.lake())
    wanted = [
        code
        for code in dialect_partitions.get_partition_keys()
        if code in spoken and _made_from(context.instance, training_set.key, code, keys) != now
    ]
    requests = [dg.RunRequest(run_key=f"{code} {state}", partition_key=code, tags=IN_THE_BACKGROUND) for code in wanted]
    reason = None if requests else f"training sets are up to date: {', '.join(sorted(spoken)) or 'nobody speaks yet'}"
    return dg.SensorResult(run_requests=requests, skip_reason=reason, cursor=state)


def _data_version(instance: dg.DagsterInstance, key: dg.AssetKey) -> str | None:
    event = instance.get_latest_materialization_event(key)
    made = event.asset_materialization if event else None
    return (made.tags or {}).get("dagster/data_version") if made else None


def _made_from(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partition: str, keys: tuple[dg.AssetKey, ...]
) -> dict[dg.AssetKey, str | None]:
    """Versions of `keys` that the partition was last made from, as Dagster noted them."""
    wanted = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[partition])
    records = instance.fetch_materializations(wanted, limit=1).records
    made = records[0].asset_materialization if records else None
    tags = (made.tags or {}) if made else {}
    return {key: tags.get(f"dagster/input_data_version/{key.to_user_string()}") for key in keys}


def _follow(name: str, groups: list[str], tags: dict[str, str]) -> dg.AutomationConditionSensorDefinition:
    return dg.AutomationConditionSensorDefinition(
        name,
        target=dg.AssetSelection.groups(*groups),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=60,
        run_tags=tags,
    )


sensors = [
    landed_files,
    corrected_batches,
    new_training_sets,
    _follow("follow_stages", [GROUP], AUTOMATIC),
    _follow("follow_corpus", ["corpus"], AUTOMATIC),
    _follow("follow_voices", ["voice", "report"], IN_THE_BACKGROUND),
]
