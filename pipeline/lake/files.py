"""Files replaced in one step, and the hash of a file. Nothing here knows of tables."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pipeline.objects.path import ObjectPath, object_path


def replace_file(file: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `file`, flush it to disk, then put it in place in one step.

    Leaves nothing behind on failure. What a killed process left of an earlier try is removed. An object of a store is
    written on this machine first and then put whole.
    """
    if isinstance(file, ObjectPath):
        with tempfile.TemporaryDirectory(prefix="fangyan-put-") as folder:
            made = Path(folder) / file.name
            write(made)
            file.publish(made)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    for stale in file.parent.glob(f".{_escape_glob(file.name)}.*.tmp"):
        stale.unlink(missing_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def replace_bytes(file: Path, content: bytes) -> None:
    """Put `content` in place of `file` in one step, on disk when this returns."""
    replace_file(file, lambda temporary: temporary.write_bytes(content))


def file_sha256(file: Path | str) -> str:
    """SHA-256 of a file's bytes, hexadecimal; read in pieces, so memory does not grow with the file."""
    with (object_path(file) or Path(file)).open("rb") as content:
        return stream_sha256(content)


def stream_sha256(content: BinaryIO) -> str:
    """SHA-256 of what is left in an open file, hexadecimal, read in pieces; it stands at its end afterwards."""
    return hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]


def _escape_glob(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
