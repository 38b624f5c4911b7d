"""`fangyan voice DIALECT`, which trains one, and `fangyan voice add|list|remove`: voices to copy, saved once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli import running
from cli.terminal import Config, WorkspaceFolder, read_settings, say, stop

_TRAIN = "train"


class _TrainsByDefault(TyperGroup):
    """What is no command of the group is a dialect whose voice is to be trained."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [_TRAIN, *args]
        return super().parse_args(ctx, args)


voice_app = typer.Typer(
    cls=_TrainsByDefault, help="Train a dialect's voice; save voices to copy.", no_args_is_help=True
)
voice_app.command(_TRAIN)(running.voice)


@voice_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="under which requests name the voice")],
    reference: Annotated[Path, typer.Option(help="a clip of the voice, 5 to 30 s")],
    consent: Annotated[str | None, typer.Option(help="consent of the voice's owner, with scope voice_cloning")] = None,
    own_voice: Annotated[str | None, typer.Option(help="your name: you declare that the voice is yours")] = None,
    denoise: Annotated[bool, typer.Option(help="clean the clip first")] = False,
    checkpoint: Annotated[str | None, typer.Option(help="that it is for; default: [serve] checkpoint")] = None,
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Encode a voice once for `fangyan serve` and `fangyan speak --voice`; it holds while its consent does."""
    from model import voxcpm2
    from model.voices.saved import SavedVoices, VoiceRefused
    from pipeline.errors import BadRecording
    from pipeline.rights.audit import AuditBroken
    from pipeline.rights.cloning import CloningRefused

    settings = read_settings(config, workspace)
    try:
        model = voxcpm2.load(checkpoint or settings.serve.checkpoint)
        voice = SavedVoices(settings).add(name, reference, model, consent, own_voice, denoise)
    except (VoiceRefused, CloningRefused, AuditBroken, BadRecording, ValueError, OSError) as error:
        stop(str(error))
    say(f"voice {voice.name}: {voice.ground}")


@voice_app.command("list")
def list_voices(config: Config = None, workspace: WorkspaceFolder = None) -> None:
    """Saved voices, on what ground, and whether they may be used."""
    from model.voices.saved import SavedVoices

    voices = SavedVoices(read_settings(config, workspace))
    found = voices.all()
    for voice in found:
        say(f"{voice.name}: {voices.refusal(voice) or voice.ground}")
    if not found:
        say("no voice is saved; `fangyan voice add` saves one")


@voice_app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="of the voice")], config: Config = None, workspace: WorkspaceFolder = None
) -> None:
    """Delete a saved voice."""
    from model.voices.saved import SavedVoices, VoiceRefused
    from pipeline.rights.audit import AuditBroken

    try:
        SavedVoices(read_settings(config, workspace)).remove(name)
    except (VoiceRefused, AuditBroken, OSError) as error:
        stop(str(error))
    say(f"voice {name} is removed")
