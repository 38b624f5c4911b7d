"""The time that a training has really used, without what its process was stopped for, and its log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# A step that takes longer than this was interrupted from outside.
LONGEST_STEP_SECONDS = 15.0


class Clock:
    """Progress of a training that ends after `minutes` of active time, or after `steps` where they are given."""

    def __init__(self, minutes: float, elapsed: float, steps: int | None = None) -> None:
        self.minutes, self.elapsed, self.steps = minutes, elapsed, steps
        self._last = time.monotonic()

    def tick(self) -> float:
        """Count the time since the last tick; returns the active seconds so far."""
        now = time.monotonic()
        self.elapsed += min(now - self._last, LONGEST_STEP_SECONDS)
        self._last = now
        return self.elapsed

    def rest(self) -> None:
        """Do not count the time since the last tick: it went into something else than training."""
        self._last = time.monotonic()

    def progress(self, step: int) -> float:
        """0 to 1."""
        return min(step / self.steps if self.steps else self.elapsed / 60 / self.minutes, 1.0)

    @contextmanager
    def bar(self, name: str, visible: bool = True) -> Iterator[Callable[[float], None]]:
        """A progress bar on the terminal; call what it gives with the progress."""
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn(name), BarColumn(), TextColumn("{task.percentage:.0f}%"), TimeElapsedColumn())
        with Progress(*columns, disable=not visible) as bar:
            task = bar.add_task(name, total=1.0)
            yield lambda progress: bar.update(task, completed=progress)


class TrainingLog:
    """Means of the losses since the last line, appended to a file; a quiet log writes nothing."""

    def __init__(self, path: Path, quiet: bool = False) -> None:
        self.path, self.quiet = path, quiet
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, losses: dict[str, float]) -> None:
        """The losses of one step."""
        self._count += 1
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def write(self, step: int, progress: float, elapsed: float) -> None:
        """A line with the means, and begin anew."""
        means = " ".join(f"{name} {value / max(self._count, 1):.4f}" for name, value in self._sums.items())
        self.say(f"step {step} {progress:.0%} {elapsed:.0f} s {means}")
        self._sums, self._count = {}, 0

    def say(self, line: str) -> None:
        """Any other line."""
        if not self.quiet:
            with self.path.open("a", encoding="utf-8") as file:
                print(time.strftime("%H:%M:%S"), line, file=file)
