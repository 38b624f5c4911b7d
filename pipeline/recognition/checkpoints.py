"""Checkpoints that the configuration names: where they are and a fingerprint of what is in them. Loads no model."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from pipeline.errors import ModelUnavailable
from pipeline.lake.files import file_sha256
from pipeline.settings import checkpoint_path

_EMBEDDED = "checkpoints/"


def locate(name: str, key: str) -> str:
    """The folder of a checkpoint, or the hub id as it is.

    `key` is the configuration key that names it, e.g. `[diarize] checkpoint`. Raises ModelUnavailable if the name is
    that of a folder (absolute, or below checkpoints/) that is not there or empty.
    """
    path = Path(checkpoint_path(name))
    local = Path(name).is_absolute() or name.startswith((_EMBEDDED, "./", "../")) or path.is_absolute()
    if local and not (path.is_file() or (path.is_dir() and any(path.iterdir()))):
        raise ModelUnavailable(f"{key} = {name!r}: no checkpoint at {path}; build it, or name another in fangyan.toml")
    return str(path)


def fingerprint(name: str) -> str:
    """SHA-256 over names and bytes of a checkpoint folder's files, hexadecimal; a hub id stands for itself.

    Hidden files and Markdown (the card) do not count. A missing folder gives `missing:<name>`; loading is what fails.
    """
    path = Path(checkpoint_path(name))
    if not path.is_absolute():
        return f"missing:{name}" if name.startswith(_EMBEDDED) else name
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if _counts(file, path))
    digest = hashlib.sha256()
    for file in files:
        about = file.stat()
        digest.update(file.relative_to(path if path.is_dir() else path.parent).as_posix().encode())
        digest.update(bytes.fromhex(_cached_sha256(str(file), about.st_size, about.st_mtime_ns)))
    return digest.hexdigest()


def _counts(file: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
    return file.is_file() and not hidden and file.suffix.lower() != ".md"


@lru_cache(maxsize=4096)
def _cached_sha256(path: str, size: int, mtime_ns: int) -> str:
    """SHA-256 of a file; size in bytes and mtime in nanoseconds are there to make a changed file a new cache entry."""
    return file_sha256(path)
