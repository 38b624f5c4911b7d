"""`speak` and `label show`: the model's commands, for the command line to include. Nothing heavy is imported here."""

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
    from pipeline import dialects
    from pipeline.stage import BadRecording

    references = [path for path in (reference, prompt) if path]
    _check_rights([checkpoint], allow_tainted, references, consent, own_voice, config, workspace)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        try:
            result = voxcpm2.load(checkpoint).speak(
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
    label = labels.write(out, result.audio, result.sample_rate, key=_key())
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


@label_app.command("show")
def show(path: Annotated[Path, typer.Argument(help="a .wav or .flac")]) -> None:
    """Print a file's AI-content label and whether it is intact (exit code 1 if not)."""
    from model import labels

    try:
        report = labels.inspect(path, _key())
    except (labels.LabelError, OSError) as error:
        _stop(f"{path}: {error}")
    console = Console()
    console.print(f"{report.standing}: {report.reason}", markup=False, highlight=False, soft_wrap=True)
    if report.label is not None:
        console.print_json(report.label.to_json())
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
    """Add both to `app`."""
    app.command("speak")(speak)
    app.add_typer(label_app, name="label")


def _key() -> bytes:
    return os.environ.get(KEY_VARIABLE, "").encode()


def _stop(message: str) -> NoReturn:
    Console(stderr=True).print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)
