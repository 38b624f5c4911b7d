"""`speak`, `finetune` and `label show`: the model's commands, for the command line to include. Nothing heavy here."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

KEY_VARIABLE = "FANGYAN_LABEL_KEY"
CHECKPOINT = Path("checkpoints/voxcpm2-micro")

label_app = typer.Typer(help="AI-content labels in sound files.", no_args_is_help=True)


def speak(
    text: Annotated[str, typer.Argument(help="what to say; a description may stand in front in parentheses")],
    out: Annotated[Path, typer.Option(help="the .wav or .flac to write; it is labelled as AI-generated")],
    dialect: Annotated[str, typer.Option(help="a dialect's code, such as yue or cmn-tianjin")] = "",
    reference: Annotated[Path | None, typer.Option(help="a clip of the voice to copy")] = None,
    prompt: Annotated[Path | None, typer.Option(help="a clip to continue")] = None,
    prompt_text: Annotated[str, typer.Option(help="what is said in the prompt")] = "",
    checkpoint: Annotated[str, typer.Option(help="a VoxCPM2 directory or hub name")] = str(CHECKPOINT),
    seed: Annotated[int, typer.Option(help="of the noise that speech is made from")] = 0,
    steps: Annotated[int, typer.Option(min=2, help="solver steps a patch")] = 10,
    guidance: Annotated[float, typer.Option(help="how strictly the text is followed")] = 2.0,
    lora: Annotated[list[Path] | None, typer.Option(help="a folder with LoRA weights; several add up")] = None,
    denoise: Annotated[bool, typer.Option(help="clean reference and prompt first")] = False,
    max_patches: Annotated[int | None, typer.Option(min=1, help="stop after so many pieces of 160 ms")] = None,
    consent: Annotated[str | None, typer.Option(help="consent of the voice's owner, with scope voice_cloning")] = None,
    own_voice: Annotated[str | None, typer.Option(help="your name: you declare that the voice is yours")] = None,
    allow_tainted: Annotated[bool, typer.Option(help="load a model whose data were withdrawn")] = False,
    config: Annotated[Path | None, typer.Option(help="configuration file; default: fangyan.toml")] = None,
    workspace: Annotated[Path | None, typer.Option(help="workspace with the consents and the audit log")] = None,
) -> None:
    """Speak a text and write it as a labelled file. To copy a voice takes a consent, or that it is your own; logged."""
    if out.suffix.lower() not in (".wav", ".flac"):
        _stop(f"{out}: write to a .wav or a .flac, which can carry the label")
    from model import labels, voxcpm2
    from model.content_credentials import CredentialsError, Signature
    from model.finetune import lora as adapters
    from pipeline import dialects
    from pipeline.stage import BadRecording

    try:
        signature = Signature.configured()
    except CredentialsError as error:
        _stop(str(error))
    references = [path for path in (reference, prompt) if path]
    _check_rights([checkpoint, *map(str, lora or ())], allow_tainted, references, consent, own_voice, config, workspace)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        try:
            model = voxcpm2.load(checkpoint)
            for folder in lora or ():
                adapters.load(model.network, folder)
            result = model.speak(
                text,
                dialect=dialect,
                reference=reference,
                prompt=prompt,
                prompt_text=prompt_text,
                seed=seed,
                steps=steps,
                guidance=guidance,
                denoise=denoise,
                max_patches=max_patches,
            )
        except (ValueError, OSError, BadRecording, dialects.UnknownDialectError) as error:
            _stop(str(error))
    for each in said:
        Console(stderr=True).print(str(each.message), style="yellow", markup=False, highlight=False)
    try:
        label = labels.write(out, result.audio, result.sample_rate, key=_key(), signature=signature)
    except CredentialsError as error:
        _stop(str(error))
    if result.too_long:
        Console(stderr=True).print(
            f"too long for its text after {result.attempts} attempts; listen before you use it", style="yellow"
        )
    Console().print(
        f"{out}: {result.seconds:.2f} s at {result.sample_rate} Hz, {result.mode}, {result.patches} patches, "
        f"{result.steps} steps, guidance {result.guidance:g}, seed {result.seed} (attempt {result.attempts}), "
        f"{result.stop_reason}, {result.real_time_factor:.2f} x real time on {result.device} in {result.dtype}, "
        f"label {label.produce_id}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def finetune(
    train: Annotated[Path, typer.Argument(help="JSONL: audio, text; optional ref_audio, dialect, duration")],
    base: Annotated[Path, typer.Option(help="the VoxCPM2 directory to start from")],
    out: Annotated[Path, typer.Option(help="folder for weights, curves and checkpoints; goes on from the last one")],
    dev: Annotated[Path | None, typer.Option(help="JSONL to validate on; its best step is kept")] = None,
    full: Annotated[bool, typer.Option("--full", help="train every weight instead of LoRA")] = False,
    rank: Annotated[int, typer.Option(min=1, help="of LoRA")] = 32,
    alpha: Annotated[float | None, typer.Option(help="of LoRA; default: the rank")] = None,
    steps: Annotated[int, typer.Option(min=1, help="optimiser steps")] = 1000,
    learning_rate: Annotated[float | None, typer.Option(help="peak; default: 1e-4, in full 1e-5")] = None,
    warmup: Annotated[int, typer.Option(min=0, help="steps up to the peak")] = 100,
    batch_tokens: Annotated[int, typer.Option(min=1, help="most positions of a pack; lower it to save memory")] = 8192,
    batch_samples: Annotated[int, typer.Option(min=1, help="most clips of a pack")] = 2,
    accumulate: Annotated[int, typer.Option(min=1, help="packs a step, over all processes")] = 8,
    reference_share: Annotated[float, typer.Option(min=0, max=1, help="of clips that have a ref_audio")] = 0.4,
    precision: Annotated[str, typer.Option(help="auto, bf16-mixed or 32-true")] = "auto",
    gradient_checkpointing: Annotated[bool, typer.Option("--gradient-checkpointing", help="save memory")] = False,
    strategy: Annotated[str, typer.Option(help="ddp or fsdp, under torchrun")] = "ddp",
    ema: Annotated[float, typer.Option(min=0, max=1, help="decay of averaged weights; 0: none")] = 0.0,
    seed: Annotated[int, typer.Option(help="of order, references, noise and LoRA's start")] = 42,
    eval_every: Annotated[int, typer.Option(min=1, help="steps between validations")] = 100,
    save_every: Annotated[int, typer.Option(min=1, help="steps between checkpoints")] = 100,
    patience: Annotated[int, typer.Option(min=0, help="validations without a better one until it stops; 0: never")] = 5,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="go on without bad lines")] = False,
    cache: Annotated[Path, typer.Option(help="folder for encoded clips")] = Path("workspace/cache/latents"),
) -> None:
    """Fine-tune a model on clips and texts. Start it again to go on; under torchrun it runs on many GPUs."""
    from pydantic import ValidationError

    from model.finetune.config import FineTuneConfig

    try:
        config = FineTuneConfig.model_validate(
            {
                "kind": "full" if full else "lora",
                "rank": rank,
                "alpha": rank if alpha is None else alpha,
                "steps": steps,
                "learning_rate": learning_rate,
                "warmup": warmup,
                "batch_tokens": batch_tokens,
                "batch_samples": batch_samples,
                "accumulate": accumulate,
                "reference_share": reference_share,
                "precision": precision,
                "gradient_checkpointing": gradient_checkpointing,
                "strategy": strategy,
                "ema": ema,
                "seed": seed,
                "eval_every": eval_every,
                "save_every": save_every,
                "patience": patience,
                "skip_bad": skip_bad,
            }
        )
    except ValidationError as error:
        _stop("; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()))
    from model.finetune.manifest import BadData
    from model.finetune.terminal import bad_lines, progress_bars
    from model.finetune.train import fine_tune

    try:
        with progress_bars() as (encoded, progress):
            report = fine_tune(base, train, dev, out, config, cache, progress, encoded)
    except BadData as error:
        Console(stderr=True).print(bad_lines(error.problems))
        _stop("nothing was trained; correct or drop these lines, or go on without them with --skip-bad")
    except (ValueError, OSError, RuntimeError) as error:
        _stop(str(error))
    best = "" if report.best_loss is None else f", validation loss {report.best_loss:.4f} at step {report.best_step}"
    best += ", stopped early" if report.stopped_early else ""
    Console().print(
        f"{out}: {report.kind}, {report.trained_parameters:,} parameters, {report.steps} steps in "
        f"{report.wall_seconds:.1f} s{best}; {report.samples} clips, "
        f"{report.audio_seconds:.1f} s of audio, {report.skipped} bad lines skipped; {report.hardware}, "
        f"{report.processes} processes, {report.precision}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@label_app.command("show")
def show(path: Annotated[Path, typer.Argument(help="a .wav or .flac")]) -> None:
    """Print a file's AI-content label and whether it is intact (exit code 1 if not), and its C2PA manifest."""
    from model import content_credentials, labels

    try:
        report = labels.inspect(path, _key())
        found = content_credentials.read(path.read_bytes(), path.suffix.lower()[1:])
    except (labels.LabelError, OSError) as error:
        _stop(f"{path}: {error}")
    console = Console()
    console.print(f"{report.standing}: {report.reason}", markup=False, highlight=False, soft_wrap=True)
    if report.label is not None:
        console.print_json(report.label.to_json())
    details = (
        f"signed by {found.signer}" if found.signer else "",
        f"made by {found.generator}" if found.generator else "",
        f"produce id {found.produce_id}" if found.produce_id else "",
        found.reason,
    )
    told = ", ".join((found.validity, *filter(None, details)))
    console.print(f"C2PA manifest: {told}", markup=False, highlight=False, soft_wrap=True)
    if report.standing is not labels.Standing.INTACT:
        raise typer.Exit(1)


def _check_rights(
    models: list[str],
    allow_tainted: bool,
    references: list[Path],
    consent: str | None,
    own_voice: str | None,
    config: Path | None,
    workspace: Path | None,
) -> None:
    """End the command if a model is tainted or nobody allowed the voices of `references` to be copied."""
    from pipeline.audit import AuditBroken
    from pipeline.cloning import permit
    from pipeline.rights import CloningRefused, TaintedModel, refuse_tainted
    from pipeline.settings import SettingsError, checkpoint_path, load_settings

    try:
        for name in models:
            refuse_tainted(Path(checkpoint_path(name)), allow_tainted)
        if references:
            settings = load_settings(config, workspace=workspace.resolve() if workspace else None)
            permit(settings, references, consent, own_voice)
    except (TaintedModel, CloningRefused, AuditBroken, SettingsError, OSError) as error:
        _stop(str(error))


def include(app: typer.Typer) -> None:
    """Add them to `app`."""
    app.command("speak")(speak)
    app.command("finetune")(finetune)
    app.add_typer(label_app, name="label")


def _key() -> bytes:
    return os.environ.get(KEY_VARIABLE, "").encode()


def _stop(message: str) -> NoReturn:
    Console(stderr=True).print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)
