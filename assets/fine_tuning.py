"""The asset that trains a dialect's voice, and its knobs in the launchpad. How it is trained is in model/finetune."""

from typing import Any, Literal, get_args, get_origin

import dagster as dg
from pydantic import Field, create_model

from assets.metadata import picture, progress_of
from assets.partitions import dialect_partitions
from assets.resources import Workspace
from assets.transient import retried_if_it_passes
from pipeline.settings import FineTune

_DOC = "How this run trains. A value other than the configuration's makes an experiment, unless `candidate` is true."


def run_config(defaults: FineTune) -> type[dg.Config]:
    """The launchpad's form: every key of [fine_tune], with the value that the configuration has."""
    fields: dict[str, Any] = {
        name: (_kind(field.annotation), Field(default=getattr(defaults, name), description=_describe(field)))
        for name, field in FineTune.model_fields.items()
    }
    candidate = Field(default=False, description="may take the promoted voice's place, though trained in another way")
    return create_model("FineTuneRun", __base__=dg.Config, __doc__=_DOC, candidate=(bool, candidate), **fields)


def fine_tuned_model_asset(defaults: FineTune) -> dg.AssetsDefinition:
    """The asset fine_tuned_model, whose launchpad shows these defaults."""
    run = run_config(defaults)

    @dg.asset(
        deps=["training_set", "base_voice"],
        partitions_def=dialect_partitions,
        group_name="voice",
        pool="gpu",
        code_version="1",
        kinds={"pytorch"},
    )
    def fine_tuned_model(
        context: dg.AssetExecutionContext,
        config: run,  # type: ignore[valid-type]
        workspace: Workspace,
    ) -> dg.MaterializeResult:
        """The base voice fine-tuned on the dialect; a run that was killed goes on, an unchanged one finds its model.

        An experiment leaves what is judged and promoted as it is, until somebody asks to judge it by its model_id.
        """
        chosen = {name: getattr(config, name) for name in FineTune.model_fields}
        changed = {name: value for name, value in chosen.items() if value != getattr(defaults, name)}
        return _train(context, workspace, changed, experiment=bool(changed) and not config.candidate)

    return fine_tuned_model


def _train(
    context: dg.AssetExecutionContext, workspace: Workspace, changed: dict[str, Any], experiment: bool
) -> dg.MaterializeResult:
    from model.finetune.config import FineTuneConfig
    from model.voices.registry import to_judge
    from model.voices.training import TooLittleSpeech, train_voice

    settings, lake, dialect = workspace.settings(), workspace.lake(), context.partition_key
    shared = {"device": settings.base_model.device, "skip_bad": True}
    chosen = FineTuneConfig.model_validate(settings.fine_tune.model_dump() | shared | changed)
    try:
        with retried_if_it_passes(), workspace.writing(), progress_of(context, "fine-tuning") as progress:
            voice = train_voice(lake, settings, dialect, chosen, progress, experiment)
    except TooLittleSpeech as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    # What follows an experiment is what followed before it: the voice that is judged has not changed.
    judged = to_judge(lake, settings, dialect)
    row = voice.row
    return dg.MaterializeResult(
        data_version=dg.DataVersion(judged.model_id if judged else "none"),
        metadata={
            "model_id": voice.model_id,
            "experiment": experiment,
            "changed": dg.MetadataValue.json(changed),
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
            "loss": picture(voice.folder / "curves.png", "loss by step"),
        },
    )


def _kind(annotation: Any) -> Any:
    """Dagster has no literals: what is allowed stands in the description, and the trainer checks it."""
    return str if get_origin(annotation) is Literal else annotation


def _describe(field: Any) -> str:
    allowed = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return f"{' | '.join(allowed)}: {field.description}" if allowed else field.description or ""


def model_trained_in(context: dg.AssetExecutionContext) -> str:
    """The model_id that this very run has trained, "" if it has trained none: then the current candidate is meant."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    for record in context.instance.get_records_for_run(context.run.run_id, of_type=kind).records:
        made = record.asset_materialization
        if made is not None and made.asset_key == dg.AssetKey("fine_tuned_model"):
            return str(made.metadata["model_id"].value)
    return ""
