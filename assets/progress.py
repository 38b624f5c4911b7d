"""Progress of long work: a bar when a person watches the terminal, else lines in Dagster's log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

# (done, to do, what was done last: a name, or figures by name)
Report = Callable[[int, int, object], None]
_LOG_SECONDS = 30.0


@contextmanager
def progress_of(context: dg.AssetExecutionContext, what: str) -> Iterator[Report]:
    """Yields a function that shows how far `what` is; recordings, steps or utterances are counted."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _log_lines(context, what)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=console) as bars:
        task = bars.add_task(f"{context.partition_key} {what:<11}", total=None)

        def show(done: int, total: int, last: object) -> None:
            bars.update(task, completed=done, total=total)

        yield show


def _log_lines(context: dg.AssetExecutionContext, what: str) -> Report:
    told = 0.0

    def log(done: int, total: int, last: object) -> None:
        nonlocal told
        if done == total or time.monotonic() - told > _LOG_SECONDS:
            told = time.monotonic()
            context.log.info("%s: %d of %d, last %s", what, done, total, _words(last))

    return log


def _words(last: object) -> str:
    if not isinstance(last, Mapping):
        return str(last)
    return ", ".join(f"{name} {value:.4g}" for name, value in last.items())
