"""`fangyan export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.completion import export_formats
from cli.terminal import Config, WorkspaceFolder, progress_bar, read_settings, say, stop, warn

_SHOWN = 20


def export(
    format: Annotated[
        str, typer.Argument(metavar="FORMAT", help="a name of --list", autocompletion=export_formats)
    ] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder to write to; empty, or of the same export")
    ] = None,
    purpose: Annotated[
        Literal["asr", "tts_training", "publication"] | None,
        typer.Option("--for", help="what it is for: recordings without a consent for that are left out"),
    ] = None,
    where: Annotated[
        str, typer.Option(metavar="SQL", help="condition over the view segments: \"dialect = 'yue' AND tier = 'keep'\"")
    ] = "",
    to: Annotated[str, typer.Option(metavar="NAME", help="who gets it; a takedown lists it by this name")] = "",
    sample_rate: Annotated[int | None, typer.Option(help="Hz; without it as stored")] = None,
    script: Annotated[
        Literal["as-written", "simplified", "traditional"], typer.Option(help="characters of the texts")
    ] = "as-written",
    punctuation: Annotated[bool, typer.Option(help="of the texts; without it as recognisers are trained")] = True,
    encoding: Annotated[
        Literal["flac", "wav"] | None, typer.Option(help="of the sound; without it what the format's readers like")
    ] = None,
    commercial: Annotated[
        bool, typer.Option("--commercial", help="the consents must allow commercial use too")
    ] = False,
    list_formats: Annotated[bool, typer.Option("--list", help="print the formats and end")] = False,
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Hand segments out in the format of a trainer or a tool, with a manifest; given again it goes on.

    Only what the corpus keeps and a consent allows for the purpose is written; what is refused is listed with reasons.
    """
    from pipeline.exchange.exports import EXPORTS
    from pipeline.handover.choice import ExportError
    from pipeline.handover.export import export as hand_out
    from pipeline.rights.audit import AuditBroken

    if list_formats:
        for name, entry in EXPORTS.items():
            say(f"{name:<14} {entry.about}")
        return
    if not format or out is None or purpose is None:
        stop("give a FORMAT (--list prints them), --out DIR and --for asr, tts_training or publication")
    settings = read_settings(config, workspace)
    try:
        with progress_bar("segments") as progress:
            made = hand_out(
                settings,
                format,
                out,
                purpose,
                where=where,
                to=to,
                encoding=encoding,
                sample_rate=sample_rate,
                script=script,
                punctuation=punctuation,
                commercial=commercial,
                progress=progress,
                waiting=lambda whom: warn(f"waiting for the takedown of {whom}"),
            )
    except (ExportError, AuditBroken) as error:
        stop(str(error))
    for one in made.choice.refused[:_SHOWN]:
        warn(f"refused {one.source or one.recording_id}: {one.segments} segments, {one.seconds:.1f} s: {one.reason}")
    if len(made.choice.refused) > _SHOWN:
        warn(f"and {len(made.choice.refused) - _SHOWN} more recordings, all of them in {made.manifest}")
    for reason, count in made.choice.left_out.most_common():
        warn(f"left out {count} segments: {reason}")
    length = f"{made.seconds / 3600:.2f} h" if made.seconds >= 3600 else f"{made.seconds / 60:.1f} min"
    say(f"{made.clips} segments, {length}, in {made.out}")
    say(f"{made.manifest} has hashes and consents; the audit log knows it as {made.handover_id}")
