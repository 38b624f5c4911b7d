"""Checkpoints that the configuration names: where they are and a fingerprint of what is in them. Loads no model."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from pipeline.errors import ModelUnavailable
from pipeline.lake.files import file_sha256
from pipeline.project import PROJECT
from pipeline.settings import checkpoint_path

_EMBEDDED = "checkpoints/"
_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_FORCED = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_FOLDERS = ("checkpoints", "models", "training", "workspace")
"""Where weights lie in a project: a name that begins so is a path, also where nothing is there."""


def is_hub_id(name: str) -> bool:
    """Whether a name may be asked of the Hugging Face hub: `<owner>/<name>`, and no path.

    A path whose file is not there must not become a download, for anybody may own its first folder's name on the hub.
    So a name is a path if its first part is the name of a folder here or in the project, or of one where projects keep
    weights, and if it begins with . ~ or / or has a \\ or a file's ending.
    """
    if not _HUB_ID.fullmatch(name) or ".." in name or name.endswith((".safetensors", ".bin", ".pt", ".pth", ".ckpt")):
        return False
    owner = name.partition("/")[0]
    return owner not in _FOLDERS and not (PROJECT / owner).is_dir() and not Path(owner).is_dir()


def is_path(name: str) -> bool:
    """Whether a name can only be a path; a bare word may also be a name that a library knows, such as large-v3."""
    return not is_hub_id(name) and (any(mark in name for mark in "/\\") or name.startswith(("~", ".")))


def locate(name: str, key: str, known: Collection[str] = ()) -> str:
    """The folder of a checkpoint as an absolute path, else the hub id or the name of `known` names as it is.

    `key` is the configuration key that names it, e.g. `[diarize] checkpoint`. Raises ModelUnavailable if there is
    nothing at a path, or nothing in it, or if the name is neither a hub id nor known to the library that loads it.
    """
    path = Path(checkpoint_path(name))
    if name and (path.is_file() or (path.is_dir() and any(path.iterdir()))):
        return str(path.absolute())
    if name in known or (is_hub_id(name) and not path.is_dir()):
        return name
    where = path if path.is_absolute() else PROJECT / path
    also = f", nor one of {', '.join(known)}" if known else ""
    raise ModelUnavailable(
        f"{key} = {name!r}: no checkpoint at {where}, and it is no hub id (<owner>/<name>){also}; "
        "build it, or name another in fangyan.toml"
    )


def fetch(hub_id: str) -> Path:
    """The folder of a checkpoint that the configuration names by its hub id, downloaded if need be."""
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(hub_id))


@contextmanager
def weights_only() -> Iterator[None]:
    """Inside, torch.load takes tensors and plain values alone, also where a library asks for more."""
    before = os.environ.get(_FORCED)
    os.environ[_FORCED] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_FORCED]
        else:
            os.environ[_FORCED] = before


def fingerprint(name: str, without: Collection[str] = ()) -> str:
    """SHA-256 over names and bytes of a checkpoint folder's files, hexadecimal; a hub id stands for itself.

    Hidden files, Markdown (the card) and files called as in `without` do not count. A missing folder gives
    `missing:<name>`; loading is what fails.
    """
    path = Path(checkpoint_path(name))
    if not path.is_absolute():
        return f"missing:{name}" if name.startswith(_EMBEDDED) else name
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if _counts(file, path))
    files = [file for file in files if file.name not in without]
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
