"""What every command shares: the options for configuration and workspace, messages, and how a command ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.settings import Settings, SettingsError, load_settings
from pipeline.text.printable import printable

KEY_VARIABLE = "FANGYAN_LABEL_KEY"

Config = Annotated[Path | None, typer.Option(help="configuration file; default: $FANGYAN_CONFIG or fangyan.toml")]
WorkspaceFolder = Annotated[Path | None, typer.Option(help="workspace folder; default: the one in the configuration")]


def read_settings(config: Path | None, workspace: Path | None) -> Settings:
    """The settings, or the end of the command with what is wrong in them."""
    try:
        return load_settings(config, workspace=workspace.resolve() if workspace else None)
    except SettingsError as error:
        stop(str(error))


def stop(message: str) -> NoReturn:
    """End the command with a message on standard error and exit code 1."""
    Console(stderr=True).print(printable(message), style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def say(message: str) -> None:
    """Print a line as it is: a name in brackets is no markup, a control character an escape, and nothing is cut."""
    Console().print(printable(message), markup=False, highlight=False, soft_wrap=True)


def warn(message: str) -> None:
    """Print a line in yellow on standard error."""
    Console(stderr=True).print(printable(message), style="yellow", markup=False, highlight=False, soft_wrap=True)


def add_row(table: Table, *cells: str) -> None:
    """Add cells as they are: a name in brackets is no markup."""
    table.add_row(*(Text(printable(cell)) for cell in cells))


def label_key() -> bytes:
    """The key that AI-content labels are signed with; empty if none is set."""
    return os.environ.get(KEY_VARIABLE, "").encode()


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A callback of (done, total) that draws a bar; nothing is drawn where standard error is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
