"""Where releases lie and what they may be called."""

from __future__ import annotations

import difflib
import fcntl
import json
import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.objects.path import ObjectPath
from pipeline.settings import Settings

FOLDER = "releases"
DOCUMENT = "release.json"
FORMAT = 1
FILES = (
    DOCUMENT,
    "segments.parquet",
    "left_out.parquet",
    "corrections.parquet",
    "DATASHEET.md",
    "README.md",
    "croissant.json",
)
_NAME = re.compile(r"\w[\w.-]{0,63}")
_LOCK = ".lock"


class ReleaseError(Exception):
    """A release cannot be made, found or used; the message says what is wrong and what to do."""


def check_name(name: str) -> str:
    """The name in Unicode's form NFC. Raises ReleaseError for one that is no name of a folder everywhere."""
    composed = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(composed) or composed.endswith("."):
        raise ReleaseError(
            f"{name!r} cannot be the name of a release: take up to 64 letters, digits, dots, dashes and underscores, "
            "a letter or digit first and no dot at the end, such as sichuan-2026.1"
        )
    return composed


def folder_of(settings: Settings, name: str) -> Path:
    """Where a release of that name lies, whether it exists or not. Raises ReleaseError."""
    return settings.releases / check_name(name)


def existing(settings: Settings) -> list[str]:
    """Names of the releases that are there whole, sorted."""
    folder = settings.releases
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(one.name for one in found if not one.name.startswith(".") and (one / DOCUMENT).is_file())


def find(settings: Settings, name: str) -> Path:
    """The folder of a release. Raises ReleaseError that names those there are."""
    folder = folder_of(settings, name)
    if not (folder / DOCUMENT).is_file():
        there = existing(settings)
        near = next(iter(difflib.get_close_matches(folder.name, there, 1)), None)
        words = (
            f"there are {', '.join(there[:20])}" if there else "there is none yet, `fangyan release create` makes one"
        )
        raise ReleaseError(f"no release is called {name}: {f'did you mean {near}? ' if near else ''}{words}")
    return folder


def is_file_of_release(settings: Settings, file: Path) -> bool:
    """Whether a file (absolute, links resolved) is one that a release is made of, and not something laid beside it.

    Not of one whose document cannot be read: nobody could write it anew.
    """
    root = settings.releases.resolve()
    folder = file.parent
    own = folder.parent == root and not folder.name.startswith(".") and file.name in FILES
    return own and is_document(folder / DOCUMENT)


def is_document(file: Path) -> bool:
    """Whether a file is the document of a release in the format of now."""
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("format") == FORMAT and "release_sha256" in document


@contextmanager
def changing(settings: Settings) -> Iterator[Path]:
    """The folder of the releases; held by whoever makes or changes one. The kernel frees it if the process dies."""
    folder = settings.releases
    beside = settings.root / FOLDER if isinstance(folder, ObjectPath) else folder
    beside.mkdir(parents=True, exist_ok=True)
    handle = os.open(beside / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(handle)
