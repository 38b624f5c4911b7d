"""Checks of a dialect's voice: whether there is enough to learn from, and whether it may take its base's place."""

import dagster as dg

from assets.partitions import dialect_partitions
from assets.resources import Workspace
from assets.voice_assets import evaluation, training_set


@dg.asset_check(asset=evaluation, partitions_def=dialect_partitions)
def promotion(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
    """The fine-tuned voice is promoted only if it is not worse than its base in any guarded metric; else rejected."""
    from model.evaluation.promotion import decide, table
    from model.voices.training import current, set_status

    settings, lake, dialect = workspace.settings(), workspace.lake(), context.partition_key
    voice = current(lake, settings, dialect)
    if voice is None:
        return dg.AssetCheckResult(
            passed=False, severity=dg.AssetCheckSeverity.WARN, metadata={"reason": f"{dialect} has no voice to promote"}
        )
    decision = decide(lake.rows("evaluation_summary", dialect), voice.row, settings.evaluation.guarded)
    with workspace.writing():
        set_status(lake, settings, voice.model_id, dialect, decision.status, decision.reason)
    return dg.AssetCheckResult(
        passed=decision.promoted,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "model_id": voice.model_id,
            "status": decision.status,
            "reason": decision.reason,
            "guarded": dg.MetadataValue.md(table(decision)),
        },
    )


@dg.asset_check(asset=training_set, partitions_def=dialect_partitions)
def enough_speech(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
    """There is enough speech to train a voice on, or none at all yet. Training refuses what is not enough by itself."""
    rows = workspace.lake().rows("training_set", context.partition_key, ("split", "seconds"))
    seconds = sum(row["seconds"] for row in rows if row["split"] == "train")
    least = workspace.settings().train.min_total_seconds
    facts = {"seconds": seconds, "least_seconds": least}
    passed = seconds == 0 or seconds >= least
    return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=facts)


voice_checks = [enough_speech, promotion]
