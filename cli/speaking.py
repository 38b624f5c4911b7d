"""`fangyan speak`."""

from __future__ import annotations

import math
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.completion import Dialect
from cli.speak_batch import read_batch, speak_batch
from cli.terminal import label_key, read_settings, stop, warn

if TYPE_CHECKING:
    from torch import Tensor

    from model.labels.label import Label
    from model.voxcpm2 import Request, Result, VoxCPM2

CHECKPOINT = "checkpoints/voxcpm2-micro"


def speak(
    out: Annotated[
        Path, typer.Option(help="the .wav, .flac, .mp3, .ogg or .m4a to write, labelled; -: a WAV to standard output")
    ],
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="a description may stand in front in parentheses; -: standard input")
    ] = "",
    batch: Annotated[Path | None, typer.Option(help=".jsonl or .tsv of texts; --out is then a folder")] = None,
    dialect: Dialect = "",
    control: Annotated[str, typer.Option(help="a description of voice and manner")] = "",
    voice: Annotated[str, typer.Option(help="a voice saved by `fangyan voice add`")] = "",
    reference: Annotated[Path | None, typer.Option(help="a clip of the voice to copy")] = None,
    prompt: Annotated[Path | None, typer.Option(help="a clip to continue")] = None,
    prompt_text: Annotated[str, typer.Option(help="what is said in the prompt")] = "",
    checkpoint: Annotated[str, typer.Option(help="a VoxCPM2 directory or hub name")] = CHECKPOINT,
    seed: Annotated[int, typer.Option(min=0, max=2**62, help="of the noise that speech is made from")] = 0,
    steps: Annotated[int, typer.Option(min=2, help="solver steps a patch")] = 10,
    guidance: Annotated[float, typer.Option(min=0, max=10, help="how strictly the text is followed")] = 2.0,
    lora: Annotated[list[Path] | None, typer.Option(help="a folder with LoRA weights; several add up")] = None,
    denoise: Annotated[bool, typer.Option(help="clean reference and prompt first")] = False,
    max_patches: Annotated[int | None, typer.Option(min=1, help="stop after so many pieces of 160 ms")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; default: a GPU if there is one")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16, or auto: the quickest here; default: float32 on a CPU")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="texts of a batch that are spoken side by side")] = 16,
    consent: Annotated[str | None, typer.Option(help="consent of the voice's owner, with scope voice_cloning")] = None,
    own_voice: Annotated[str | None, typer.Option(help="your name: you declare that the voice is yours")] = None,
    allow_tainted: Annotated[bool, typer.Option(help="load a model whose data were withdrawn")] = False,
    config: Annotated[Path | None, typer.Option(help="configuration file; default: fangyan.toml")] = None,
    workspace: Annotated[Path | None, typer.Option(help="workspace with the consents and the audit log")] = None,
) -> None:
    """Speak a text and write it as a labelled file. To copy a voice takes a consent, or that it is your own; logged."""
    from model.labels import labels

    to_stdout = str(out) == "-"
    if batch is None and not to_stdout and out.suffix.lower() not in labels.SUFFIXES:
        stop(f"{out}: write to a {', '.join(labels.SUFFIXES)}, which can carry the label")
    if (batch is None) == (not text) or (batch is not None and to_stdout):
        stop("give a text, or --batch FILE with a folder as --out")
    if not math.isfinite(guidance):
        stop(f"guidance must be a number, got {guidance}")
    if text == "-":
        text = sys.stdin.read()
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

    def write(path: Path, result: Result) -> Label:
        try:
            if to_stdout:
                data, label = labels.labelled(result.audio, result.sample_rate, "wav", None, label_key(), signature)
                sys.stdout.buffer.write(data)
                return label
            return labels.write(path, result.audio, result.sample_rate, key=label_key(), signature=signature)
        except (CredentialsError, OSError) as error:
            stop(str(error))

    def tell(path: Path, result: Result) -> None:
        label = write(path, result)
        for words in _doubts(result):
            warn(f"{path}: {words}")
        words = _account(result)
        Console(stderr=to_stdout).print(
            f"{path}: {words}, label {label.produce_id}", markup=False, highlight=False, soft_wrap=True
        )

    failed: list[str] = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        try:
            model = voxcpm2.load(
                checkpoint, device=device, dtype=voxcpm2.fastest_dtype(device) if dtype == "auto" else dtype
            )
            for folder in lora or ():
                adapters.load(model.network, folder)
            request = voxcpm2.Request(
                text,
                control=control,
                dialect=dialect,
                reference=_saved(voice, model, config, workspace) if voice else reference,
                prompt=prompt,
                prompt_text=prompt_text,
                seed=seed,
                steps=steps,
                guidance=guidance,
                denoise=denoise,
                max_patches=max_patches,
            )
            asked = [("", request)] if batch is None else read_batch(batch, request)
            for words in _untaught(model, [each for _, each in asked], lora or ()):
                warn(words)
            if batch is None:
                tell(out, model.speak(text, **{key: each for key, each in vars(request).items() if key != "text"}))
            else:
                out.mkdir(parents=True, exist_ok=True)
                failed = list(speak_batch(model, asked, rows, lambda name, result: tell(out / f"{name}.wav", result)))
        except (ValueError, OSError, BadRecording, dialects.UnknownDialectError, RuntimeError) as error:
            stop(str(error))
    for each in said:
        warn(str(each.message))
    if failed:
        stop("\n".join(failed))


def _doubts(result: Result) -> list[str]:
    """Why to listen to a result before it is used."""
    again = f"after {result.attempts} attempts"
    too_long = f"too long for its text {again}; listen before you use it"
    too_short = f"too short for its text {again}: words were left out; listen before you use it"
    return [words for words, true in ((too_long, result.too_long), (too_short, result.too_short)) if true]


def _account(result: Result) -> str:
    return (
        f"{result.seconds:.2f} s at {result.sample_rate} Hz, {result.mode}, {result.patches} patches, "
        f"{result.steps} steps, guidance {result.guidance:g}, seed {result.seed} (attempt {result.attempts}), "
        f"{result.stop_reason}, {result.real_time_factor:.2f} x real time on {result.device} in {result.dtype}"
    )


def _untaught(model: VoxCPM2, requests: list[Request], adapters: list[Path] | tuple[()]) -> list[str]:
    """What is asked for that neither checkpoint nor adapters were taught, each sentence once."""
    from model.voxcpm2.taught import Taught

    taught = model.taught
    if taught is None:
        return []
    for folder in adapters:
        taught = taught | Taught.read(folder)
    said = [words for request in requests for words in taught.complaints(request.text, request.dialect)]
    return list(dict.fromkeys(said))


def _saved(name: str, model: VoxCPM2, config: Path | None, workspace: Path | None) -> Tensor:
    """The latents of a saved voice, or the end of the command if it may not be used."""
    from model.voices.saved import SavedVoices, VoiceRefused

    try:
        return SavedVoices(read_settings(config, workspace)).latents(name, model)
    except VoiceRefused as refused:
        stop(str(refused))


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
