"""Checks of a dialect's voice: whether there is enough to learn from, and whether it may take its base's place."""

import dagster as dg

from assets.partitions import dialect_partitions
from assets.resources import Workspace
from assets.voice_assets import promotion, training_set


@dg.asset_check(asset=promotion, partitions_def=dialect_partitions)
def not_worse_than_its_base(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
    """The judged voice is shown not to be worse than its base, or the voice promoted before it. Reads only."""
    from model.evaluation.promoting import decision_on, judged_voices
    from model.evaluation.promotion import table

    settings, lake = workspace.settings(), workspace.lake()
    voices = judged_voices(lake, settings, context.partition_key)
    if not voices:
        reason = f"{context.partition_key} has no voice that was judged"
        return dg.AssetCheckResult(passed=True, metadata={"reason": reason})
    voice = voices[0]
    decision = decision_on(lake, settings, voice)
    return dg.AssetCheckResult(
        passed=decision.promoted,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "model_id": voice.model_id,
            "status": voice.row["status"],
            "reason": decision.reason,
            "guarded": dg.MetadataValue.md(table(decision)),
        },
    )


@dg.asset_check(asset=training_set, partitions_def=dialect_partitions)
def enough_speech(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
    """There is enough speech to train a voice on, or none at all yet. Training refuses what is not enough by itself."""
    rows = workspace.lake().rows("training_set", context.partition_key, ("split", "seconds"))
    seconds = sum(row["seconds"] for row in rows if row["split"] == "train")
    least = workspace.settings().training_set.min_total_seconds
    facts = {"seconds": seconds, "least_seconds": least}
    passed = seconds == 0 or seconds >= least
    return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=facts)


voice_checks = [enough_speech, not_worse_than_its_base]
