"""Files replaced in one step, and the hash of a file. Nothing here knows of tables."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def replace_file(file: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `file`, then put it in place in one step; leaves nothing on failure."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for stale in file.parent.glob(f".{_escape_glob(file.name)}.*.tmp"):
        stale.unlink(missing_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def replace_bytes(file: Path, content: bytes) -> None:
    """Put `content` in place of `file` in one step, on disk when this returns."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())

    replace_file(file, write)


def _escape_glob(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
