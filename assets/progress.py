"""Progress of a stage: a bar when a person watches the terminal, else lines in Dagster's log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
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


class StepLog:
    """Tells Dagster's log how far some long work is, no more often than every half minute, and its end."""

    def __init__(self, context: dg.AssetExecutionContext, what: str) -> None:
        self._context, self._what, self._last = context, what, 0.0

    def __call__(self, done: int, total: int, about: object) -> None:
        """`about` is who speaks, or the figures of a step by name."""
        if done != total and time.monotonic() - self._last < _LOG_SECONDS:
            return
        self._last = time.monotonic()
        if isinstance(about, Mapping):
            about = ", ".join(f"{name} {value:.4g}" for name, value in about.items())
        self._context.log.info("%s: %d of %d, %s", self._what, done, total, about)


def _log_lines(context: dg.AssetExecutionContext, stage: str) -> Report:
    last = 0.0

    def log(done: int, total: int, source: str) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > _LOG_SECONDS:
            last = time.monotonic()
            context.log.info("%s: %d of %d recordings, last %s", stage, done, total, source)

    return log
