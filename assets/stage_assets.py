"""The corpus line as assets, one a stage and table; one partition is one batch. What a stage does is not here."""

import importlib

import dagster as dg

from assets.metadata import progress_of, stage_metadata
from assets.partitions import batch_partitions
from assets.resources import Workspace
from pipeline.run import build_stage, run_stage

STAGE_OF = {
    "recordings": "ingest",
    "speaker_turns": "diarize",
    "denoised_turns": "denoise",
    "transcripts": "transcribe",
    "aligned_segments": "align",
    "scored_segments": "score",
}
_POOLS = {"ingest": "disk", "diarize": "gpu", "denoise": "disk", "transcribe": "gpu", "align": "gpu", "score": "disk"}
_DESCRIPTIONS = {
    "recordings": "Every file of the batch: decoded, hashed, measured, matched with its consent.",
    "speaker_turns": "Who speaks when: turns that do not overlap, with an embedding for each local speaker.",
    "denoised_turns": "Turns with RNNoise where that helps; what it did to each is kept.",
    "transcripts": "What was said, stretch by stretch, with the recogniser's own doubts.",
    "aligned_segments": "When each character is heard, behind a gate that refuses implausible alignments.",
    "scored_segments": "Segments of 3 to 30 s with scores, tier and audio.",
}
# Follows its upstream when that changes, but never past a failed blocking check.
_FOLLOW = dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()


class StageConfig(dg.Config):
    """`retry_quarantined` gives files in quarantine another try."""

    retry_quarantined: bool = False


def _stage_asset(name: str, upstream: list[str]) -> dg.AssetsDefinition:
    stage_name = STAGE_OF[name]
    version = getattr(importlib.import_module(f"pipeline.stages.{stage_name}"), stage_name.capitalize()).version

    @dg.asset(
        name=name,
        deps=upstream,
        partitions_def=batch_partitions,
        group_name="line",
        pool=_POOLS[stage_name],
        code_version=version,
        kinds={"parquet"},
        description=_DESCRIPTIONS[name],
        automation_condition=_FOLLOW if upstream else None,
    )
    def stage_asset(
        context: dg.AssetExecutionContext, config: StageConfig, workspace: Workspace
    ) -> dg.MaterializeResult:
        settings = workspace.settings()
        stage = build_stage(stage_name, settings)
        with workspace.writing(), progress_of(context, stage_name) as progress:
            report = run_stage(stage, context.partition_key, settings, progress, config.retry_quarantined)
        return dg.MaterializeResult(metadata=stage_metadata(report, settings))

    return stage_asset


_NAMES = list(STAGE_OF)
line_assets = [_stage_asset(name, _NAMES[max(0, number - 1) : number]) for number, name in enumerate(_NAMES)]
