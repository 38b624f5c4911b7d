"""`fangyan speak`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.completion import Dialect
from cli.terminal import label_key, read_settings, stop

CHECKPOINT = "checkpoints/voxcpm2-micro"


def speak(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="what to say; a description may stand in front in parentheses")
    ],
    out: Annotated[Path, typer.Option(help="the .wav, .flac, .mp3, .ogg or .m4a to write, labelled as AI-generated")],
    dialect: Dialect = "",
    reference: Annotated[Path | None, typer.Option(help="a clip of the voice to copy")] = None,
    prompt: Annotated[Path | None, typer.Option(help="a clip to continue")] = None,
    prompt_text: Annotated[str, typer.Option(help="what is said in the prompt")] = "",
    checkpoint: Annotated[str, typer.Option(help="a VoxCPM2 directory or hub name")] = CHECKPOINT,
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
    from model.labels import labels

    if out.suffix.lower() not in labels.SUFFIXES:
        stop(f"{out}: write to a {', '.join(labels.SUFFIXES)}, which can carry the label")
    from model import voxcpm2
    from model.finetune import lora as adapters
    from model.labels.content_credentials import CredentialsError, Signature
    from pipeline.errors import BadRecording
    from pipeline.settings import checkpoint_path
    from pipeline.text import dialects

    try:
        signature = Signature.configured()
    except CredentialsError as error:
        stop(str(error))
    references = [path for path in (reference, prompt) if path]
    checkpoint = checkpoint if Path(checkpoint).exists() else checkpoint_path(checkpoint)
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
            stop(str(error))
    for each in said:
        Console(stderr=True).print(str(each.message), style="yellow", markup=False, highlight=False)
    try:
        label = labels.write(out, result.audio, result.sample_rate, key=label_key(), signature=signature)
    except CredentialsError as error:
        stop(str(error))
    if result.too_long:
        Console(stderr=True).print(
            f"too long for its text after {result.attempts} attempts; listen before you use it", style="yellow"
        )
    if result.too_short:
        Console(stderr=True).print(
            f"too short for its text after {result.attempts} attempts: words were left out; listen before you use it",
            style="yellow",
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
    from pipeline.landing_zone import locate
    from pipeline.rights.audit import AuditBroken
    from pipeline.rights.cloning import CloningRefused, Reference, permit
    from pipeline.rights.consents import TaintedModel, refuse_tainted
    from pipeline.settings import SettingsError, checkpoint_path

    try:
        for name in models:
            refuse_tainted(Path(checkpoint_path(name)), allow_tainted)
        if references:
            settings = read_settings(config, workspace)
            clips = [Reference(file, *locate(settings.landing, file)) for file in references]
            permit(settings, clips, consent, own_voice)
    except (TaintedModel, CloningRefused, AuditBroken, SettingsError, OSError) as error:
        stop(str(error))
