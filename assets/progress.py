"""Progress of a stage: a bar when a person watches the terminal, else lines in Dagster's log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pipeline.line import Progress as Report

_LOG_SECONDS = 30.0


@contextmanager
def stage_progress(context: dg.AssetExecutionContext, stage: str) -> Iterator[Report]:
    """Yields a function (recordings done, recordings to do, source) that shows how far the stage is."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _log_lines(context, stage)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=console) as bars:
        task = bars.add_task(f"{context.partition_key} {stage:<10}", total=None)

        def show(done: int, total: int, source: str) -> None:
            bars.update(task, completed=done, total=total)

        yield show


def _log_lines(context: dg.AssetExecutionContext, stage: str) -> Report:
    last = 0.0

    def log(done: int, total: int, source: str) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > _LOG_SECONDS:
            last = time.monotonic()
            context.log.info("%s: %d of %d recordings, last %s", stage, done, total, source)

    return log
