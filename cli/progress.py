"""What a run shows in a terminal: a bar while clips are encoded, a bar with the losses while it trains, bad lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from model.finetune import loop, samples
from model.finetune.manifest import Problem


@contextmanager
def progress_bars() -> Iterator[tuple[samples.Encoded, loop.Progress]]:
    """The two callbacks of `fine_tune`; nothing is drawn where standard error is no terminal."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    columns.append(TextColumn("{task.fields[losses]}"))
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        encoding = bar.add_task("clips", losses="", visible=False)
        training = bar.add_task("steps", losses="", visible=False)

        def encoded(done: int, total: int) -> None:
            bar.update(encoding, completed=done, total=total, visible=True)

        def step(done: int, total: int, losses: Mapping[str, float]) -> None:
            shown = f"diffusion {losses['diffusion']:.3f}, stop {losses['stop']:.3f}"
            bar.update(training, completed=done, total=total, visible=True, losses=shown)

        yield encoded, step


def bad_lines(problems: Sequence[Problem]) -> Table:
    """One row a bad line."""
    table = Table("line", "reason", "audio", "what is wrong", title=f"{len(problems)} bad lines")
    for each in problems:
        table.add_row(*map(Text, (f"{each.file.name}:{each.line}", each.reason, each.subject, each.message)))
    return table
