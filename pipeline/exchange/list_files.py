"""Text files that grow line by line and are put in place whole at the end."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import IO, Self


class LineFiles:
    """Files below a folder by name. They take their places when the block ends well, and leave nothing if it does not.

    `files` are their places, in the order in which they were begun.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, IO[str]] = {}

    @property
    def names(self) -> set[str]:
        return set(self._open)

    @property
    def files(self) -> list[Path]:
        return [self._folder / name for name in self._open]

    def add(self, name: str, text: str) -> None:
        """Add text, its line ends included, to the file of this name."""
        if name not in self._open:
            temporary = self._temporary(name)
            temporary.parent.mkdir(parents=True, exist_ok=True)
            for stale in temporary.parent.glob(f".{glob.escape(Path(name).name)}.*.tmp"):
                stale.unlink(missing_ok=True)
            self._open[name] = temporary.open("w", encoding="utf-8", newline="")
        self._open[name].write(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        try:
            for content in self._open.values():
                if kind is None:
                    content.flush()
                    os.fsync(content.fileno())
                content.close()
            if kind is None:
                for name in self._open:
                    self._temporary(name).replace(self._folder / name)
        finally:
            for name in self._open:
                self._temporary(name).unlink(missing_ok=True)

    def _temporary(self, name: str) -> Path:
        file = self._folder / name
        return file.with_name(f".{file.name}.{os.getpid()}.tmp")
