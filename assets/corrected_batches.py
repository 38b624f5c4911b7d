"""The sensor that runs a batch again after people corrected something in it; only what they corrected is computed."""

import hashlib
import json
from collections import defaultdict

import dagster as dg

from assets.jobs import AUTOMATIC, stages_job
from assets.resources import Workspace
from pipeline import batches
from pipeline.corrections.store import Corrections
from pipeline.lake.lake import Lake
from pipeline.settings import Settings


@dg.sensor(job=stages_job, minimum_interval_seconds=600, default_status=dg.DefaultSensorStatus.RUNNING)
def corrected_batches(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult:
    """Every ten minutes each batch in which other corrections stand than at the last tick; nobody waits for a run.

    The cursor is a hash of what stands, by batch.
    """
    settings = workspace.settings()
    now, before = _standing(settings), json.loads(context.cursor or "{}")
    changed = sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
    known = set(batches.names(settings.root))
    requests = [
        dg.RunRequest(run_key=f"corrected {name} {now.get(name, '')}", partition_key=name, tags=AUTOMATIC)
        for name in changed
        if name in known
    ]
    reason = None if requests else "the corrections are as they were"
    return dg.SensorResult(run_requests=requests, skip_reason=reason, cursor=json.dumps(now, sort_keys=True))


def _standing(settings: Settings) -> dict[str, str]:
    """A hash of the ids of the corrections that stand, notes aside, by batch."""
    store, lake = Corrections.of(settings), Lake(settings.lake)
    named = {row["recording_id"] for row in lake.rows("corrections", None, ("recording_id",))}
    if not named:
        return {}
    batch_of = {
        row["recording_id"]: row["batch"]
        for row in lake.rows("recordings", None, ("recording_id", "batch", "status"))
        if row["status"] == "ok" and row["recording_id"] in named
    }
    ids: dict[str, list[str]] = defaultdict(list)
    for recording_id, rows in store.standing_of(batch_of.keys()).items():
        ids[batch_of[recording_id]] += [row.correction_id for row in rows if row.field != "note"]
    hashed = {name: hashlib.sha256(" ".join(sorted(own)).encode()) for name, own in ids.items() if own}
    return {name: found.hexdigest()[:16] for name, found in hashed.items()}
