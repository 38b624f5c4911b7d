"""A dialect's voice as assets: what it learns from, the fine-tuned model, what both voices say, how well they say it.

One partition is one dialect. How a voice is trained, speaks and is judged is not here.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable

import dagster as dg
from pydantic import Field

from assets.conditions import FOLLOW_CONTENT
from assets.fine_tuning import fine_tuned_model_asset, model_trained_in
from assets.metadata import bar_chart, figures_table, progress_of, table_schema
from assets.partitions import dialect_partitions
from assets.resources import Workspace
from assets.transient import retried_if_it_passes
from pipeline.corpus.training_set import VERSION as TRAINING_SET_VERSION
from pipeline.corpus.training_set import build_training_set, facts
from pipeline.settings import Settings


@dg.asset(group_name="voice", code_version="1", kinds={"pytorch"})
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
    with retried_if_it_passes(), workspace.writing():
        made = build_training_set(workspace.lake(), settings, dialect)
    hours = {"kept": made.hours} | {reason: seconds / 3600 for reason, seconds in made.left_out.items()}
    return dg.MaterializeResult(
        data_version=dg.DataVersion(made.content),
        metadata=facts(made)
        | {
            "dagster/uri": str(workspace.lake().path("training_set", dialect)),
            "desk": dg.MetadataValue.url(f"{settings.desk.address}/browse?dialect={dialect}&decision=keep"),
            "dagster/row_count": sum(made.clips.values()),
            "dagster/column_schema": table_schema("training_set"),
            "jsonl": dg.MetadataValue.path(made.folder),
            "references_from": dg.MetadataValue.json(made.references),
            "hours_left_out_by_reason": dg.MetadataValue.json(
                {reason: round(seconds / 3600, 6) for reason, seconds in made.left_out.items()}
            ),
            "refused": dg.MetadataValue.json(made.refused[:50]),
            "where_the_hours_went": bar_chart(hours, "hours"),
        },
    )


class ValidationRun(dg.Config):
    """`model_id`: a voice to judge instead of the candidate trained last, or an experiment to judge beside it."""

    model_id: str = Field(default="", description="a voice to judge; empty: the candidate trained last")


@dg.asset(
    deps=["fine_tuned_model"],
    partitions_def=dialect_partitions,
    group_name="voice",
    pool="gpu",
    code_version="1",
    kinds={"parquet", "pytorch"},
    automation_condition=FOLLOW_CONTENT,
)
def validation_set(
    context: dg.AssetExecutionContext, config: ValidationRun, workspace: Workspace
) -> dg.MaterializeResult:
    """The same texts by base, fine-tuned model, the voice promoted before and other systems; AI-generated, labelled."""
    from model.validation.run import validate_dialect
    from model.voices.registry import UnknownVoice

    settings, dialect = workspace.settings(), context.partition_key
    judged = config.model_id or model_trained_in(context)
    try:
        with retried_if_it_passes(), workspace.writing(), progress_of(context, "synthesis") as progress:
            counts = validate_dialect(workspace.lake(), settings, dialect, progress, judged)
    except UnknownVoice as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    rows = workspace.lake().rows("validation_set", dialect, ("system", "purpose", "error", "provenance"))
    by_system = Counter(row["system"] for row in rows)
    errors = Counter(f"{row['system']}: {row['error']}" for row in rows if row["error"])
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
            "by_system": dg.MetadataValue.json(by_system),
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
    """Every metric of every utterance, and over all of them with intervals, the judged voice against others paired."""
    from model.evaluation.run import evaluate_dialect

    settings, dialect = workspace.settings(), context.partition_key
    with retried_if_it_passes(), workspace.writing(), progress_of(context, "evaluation") as progress:
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


@dg.asset(
    deps=[evaluation],
    partitions_def=dialect_partitions,
    group_name="voice",
    pool="disk",
    code_version="1",
    kinds={"parquet"},
    automation_condition=FOLLOW_CONTENT,
)
def promotion(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Promotes the judged voice, if it is shown in every guarded metric not to be worse than its base or the promoted
    voice by the metric's margin; rejects it if it is worse, and leaves it undecided where too few utterances tell.

    Whose place it takes is superseded. An experiment is told what it would be, and stays an experiment. Every judgement
    is kept in table evaluation_history.
    """
    from model.evaluation.promoting import promote

    settings, dialect = workspace.settings(), context.partition_key
    with retried_if_it_passes(), workspace.writing():
        decided = promote(workspace.lake(), settings, dialect)
    if not decided:
        return dg.MaterializeResult(data_version=dg.DataVersion("none"), metadata={"status": "no voice was judged"})
    for one in decided:
        # The model itself was made before anybody judged it; this is what became of it.
        facts = {"model_id": one.model_id, "status": one.status, "status_reason": one.reason}
        context.log_event(dg.AssetObservation("fine_tuned_model", partition=dialect, metadata=facts))
    first, speaks = decided[0], decided[-1].current
    facts = {"model_id": first.model_id, "status": first.status, "status_reason": first.reason}
    facts |= {"speaks_for_the_dialect": speaks} | {one.model_id: one.reason for one in decided[1:]}
    version = _digest([part for one in decided for part in (one.model_id, one.status, one.reason)] + [speaks])
    return dg.MaterializeResult(data_version=dg.DataVersion(version), metadata=facts)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def voice_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """In order; the launchpad of the training shows what [fine_tune] says when this is called."""
    fine_tuned_model = fine_tuned_model_asset(settings.fine_tune)
    return [base_voice, training_set, fine_tuned_model, validation_set, evaluation, promotion]
