"""A dialect's voice as assets: what it learns from, the fine-tuned model, what both voices say, how well they say it.

One partition is one dialect. How a voice is trained, speaks and is judged is not here.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import dagster as dg

from assets.conditions import FOLLOW_CONTENT
from assets.metadata import bar_chart, figures_table, progress_of, table_schema
from assets.partitions import dialect_partitions
from assets.resources import Workspace
from pipeline.corpus.training_set import VERSION as TRAINING_SET_VERSION
from pipeline.corpus.training_set import build_training_set, facts
from pipeline.settings import Settings

if TYPE_CHECKING:
    from model.finetune.config import FineTuneConfig


class FineTuneRun(dg.Config):
    """How this run trains; what is left out is as [fine_tune] of the configuration says."""

    kind: str | None = None
    steps: int | None = None
    rank: int | None = None
    learning_rate: float | None = None
    seed: int | None = None


@dg.asset(group_name="voice", kinds={"pytorch"})
def base_voice(workspace: Workspace) -> dg.MaterializeResult:
    """The checkpoint that voices are fine-tuned from, by the hash of its files; a new one makes them stale."""
    from model.voices.training import base_of

    base = base_of(workspace.settings())
    return dg.MaterializeResult(
        data_version=dg.DataVersion(base.content), metadata={"model_id": base.model_id, "checkpoint": base.name}
    )


@dg.asset(
    deps=["corpus", "consents"],
    partitions_def=dialect_partitions,
    group_name="voice",
    pool="disk",
    code_version=TRAINING_SET_VERSION,
    kinds={"parquet"},
)
def training_set(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Clips that policy and consent allow, each with a reference clip; JSON Lines for VoxCPM's trainer beside them."""
    settings, dialect = workspace.settings(), context.partition_key
    with workspace.writing():
        made = build_training_set(workspace.lake(), settings, dialect)
    hours = {"kept": made.hours} | {reason: seconds / 3600 for reason, seconds in made.left_out.items()}
    return dg.MaterializeResult(
        data_version=dg.DataVersion(made.content),
        metadata=facts(made)
        | {
            "dagster/uri": str(workspace.lake().path("training_set", dialect)),
            "dagster/row_count": sum(made.clips.values()),
            "dagster/column_schema": table_schema("training_set"),
            "jsonl": dg.MetadataValue.path(made.folder),
            "hours_left_out_by_reason": dg.MetadataValue.json(
                {reason: round(seconds / 3600, 6) for reason, seconds in made.left_out.items()}
            ),
            "refused": dg.MetadataValue.json(made.refused[:50]),
            "where_the_hours_went": bar_chart(hours, "hours"),
        },
    )


@dg.asset(
    deps=[training_set, base_voice],
    partitions_def=dialect_partitions,
    group_name="voice",
    pool="gpu",
    code_version="1",
    kinds={"pytorch"},
)
def fine_tuned_model(
    context: dg.AssetExecutionContext, config: FineTuneRun, workspace: Workspace
) -> dg.MaterializeResult:
    """The base voice fine-tuned on the dialect; a run that was killed goes on, an unchanged one finds its model."""
    from model.voices.training import TooLittleSpeech, train_voice

    settings, dialect = workspace.settings(), context.partition_key
    chosen = _fine_tune_config(config, settings)
    try:
        with workspace.writing(), progress_of(context, "fine-tuning") as progress:
            voice = train_voice(workspace.lake(), settings, dialect, chosen, progress)
    except TooLittleSpeech as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    row, curves = voice.row, voice.folder / "curves.png"
    return dg.MaterializeResult(
        data_version=dg.DataVersion(voice.model_id),
        metadata={
            "model_id": voice.model_id,
            "status": row["status"],
            "status_reason": row["status_reason"],
            "reused": voice.reused,
            "kind": row["kind"],
            "exported_step": row["steps"],
            "hours": row["hours"],
            "speakers": len(row["speaker_ids"]),
            "consents": len(row["consent_ids"]),
            "folder": dg.MetadataValue.path(voice.folder),
            "card": dg.MetadataValue.path(voice.folder / "README.md"),
            "curves": dg.MetadataValue.path(curves),
        },
    )


@dg.asset(
    deps=[fine_tuned_model],
    partitions_def=dialect_partitions,
    group_name="voice",
    pool="gpu",
    code_version="1",
    kinds={"parquet", "pytorch"},
    automation_condition=FOLLOW_CONTENT,
)
def validation_set(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """The same texts in the same voices by base, fine-tuned model and other systems; AI-generated, all labelled."""
    from model.validation.run import validate_dialect

    settings, dialect = workspace.settings(), context.partition_key
    with workspace.writing(), progress_of(context, "synthesis") as progress:
        counts = validate_dialect(workspace.lake(), settings, dialect, progress)
    rows = workspace.lake().rows("validation_set", dialect, ("side", "purpose", "error", "provenance"))
    by_side = Counter(row["side"] for row in rows)
    errors = Counter(f"{row['side']}: {row['error']}" for row in rows if row["error"])
    return dg.MaterializeResult(
        data_version=dg.DataVersion(_digest(f"{row['provenance']} {row['error'] or ''}" for row in rows)),
        metadata={
            "dagster/uri": str(workspace.lake().path("validation_set", dialect)),
            "dagster/row_count": len(rows),
            "dagster/column_schema": table_schema("validation_set"),
            "spoken": counts.spoken,
            "reused": counts.reused,
            "failed": counts.failed,
            "minutes": counts.seconds / 60,
            "by_side": dg.MetadataValue.json(by_side),
            "by_purpose": dg.MetadataValue.json(Counter(row["purpose"] for row in rows)),
            "errors": dg.MetadataValue.json(dict(errors.most_common(20))),
        },
    )


@dg.asset(
    deps=[validation_set],
    partitions_def=dialect_partitions,
    group_name="voice",
    pool="gpu",
    code_version="1",
    kinds={"parquet"},
    automation_condition=FOLLOW_CONTENT,
)
def evaluation(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Every metric of every utterance, and over all of them with intervals, base against fine-tuned paired."""
    from model.evaluation.run import evaluate_dialect

    settings, dialect = workspace.settings(), context.partition_key
    with workspace.writing(), progress_of(context, "evaluation") as progress:
        summary = evaluate_dialect(workspace.lake(), settings, dialect, progress)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(_digest(repr(row) for row in summary)),
        metadata={
            "dagster/uri": str(workspace.lake().path("evaluation_summary", dialect)),
            "dagster/row_count": len(summary),
            "dagster/column_schema": table_schema("evaluation_summary"),
            "figures": dg.MetadataValue.md(figures_table(summary)),
        },
    )


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _fine_tune_config(run: FineTuneRun, settings: Settings) -> "FineTuneConfig":
    from model.finetune.config import FineTuneConfig

    said = {key: value for key, value in run.model_dump().items() if value is not None}
    shared = {"device": settings.train.device, "skip_bad": True}
    return FineTuneConfig.model_validate(settings.fine_tune.model_dump() | shared | said)


voice_assets = [base_voice, training_set, fine_tuned_model, validation_set, evaluation]
