"""`fangyan label show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.terminal import label_key, stop

if TYPE_CHECKING:
    from model.labels.content_credentials import Finding

label_app = typer.Typer(help="AI-content labels in sound files.", no_args_is_help=True)


@label_app.command("show")
def show(path: Annotated[Path, typer.Argument(metavar="FILE", help="a .wav, .flac, .mp3, .ogg or .m4a")]) -> None:
    """Print a file's AI-content label and whether it is intact (exit code 1 if not), and its C2PA manifest."""
    from model.labels import content_credentials, labels

    try:
        report = labels.inspect(path, label_key())
        kind = path.suffix.lower()[1:]
        found = content_credentials.read(path.read_bytes(), kind) if kind in ("wav", "flac") else None
    except (labels.LabelError, OSError) as error:
        stop(f"{path}: {error}")
    console = Console()
    console.print(f"{report.standing}: {report.reason}", markup=False, highlight=False, soft_wrap=True)
    if report.label is not None:
        console.print_json(report.label.to_json())
    if found is not None:
        _show_manifest(console, found)
    if report.standing is not labels.Standing.INTACT:
        raise typer.Exit(1)


def _show_manifest(console: Console, found: Finding) -> None:
    details = (
        f"signed by {found.signer}" if found.signer else "",
        f"made by {found.generator}" if found.generator else "",
        f"produce id {found.produce_id}" if found.produce_id else "",
        found.reason,
    )
    told = ", ".join((found.validity, *filter(None, details)))
    console.print(f"C2PA manifest: {told}", markup=False, highlight=False, soft_wrap=True)
