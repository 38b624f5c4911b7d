"""`fangyan import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.completion import Dialect
from cli.terminal import Config, WorkspaceFolder, read_settings, say, stop, warn

_SHOWN = 20


def import_list(
    format: Annotated[str, typer.Argument(metavar="FORMAT", help="voxcpm, nemo, funasr, kaldi, gpt-sovits ...")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="the list, or Kaldi's folder")],
    dialect: Dialect,
    collection: Annotated[str, typer.Option(metavar="NAME", help="folder below landing/<dialect>/")],
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Land the sound that a trainer's list names, with its texts and speakers; what `fangyan export` writes is read."""
    from pipeline.landing_import import CannotLand, land

    settings = read_settings(config, workspace)
    try:
        landed = land(settings, format, path, dialect, collection)
    except CannotLand as error:
        stop(str(error))
    for sound in landed.missing[:_SHOWN]:
        warn(f"not there: {sound}")
    if len(landed.missing) > _SHOWN:
        warn(f"and {len(landed.missing) - _SHOWN} more sound files that are not there")
    say(f"{landed.recordings} recordings with {landed.lines} lines of text in {landed.folder}")
    pattern = f"{landed.folder.parent.name}/{landed.folder.name}/**"
    say(f'No consent came with them: `fangyan consent add ID --recordings "{pattern}" --scope asr`, then `fangyan run`')
