"""How files of the lake are opened and removed, wherever they lie. Paths are asked through their own methods
(`exists`, `stat`, `glob`, `open`, `unlink`) and opened for Arrow by `readable`; `os` and `shutil` know folders only."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any


def readable(file: Path) -> Any:
    """`file` as pyarrow opens it: `pq.ParquetFile(readable(file))`. Raises FileNotFoundError from there or here."""
    return file


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it; nothing happens where there is none."""
    shutil.rmtree(folder, ignore_errors=True)


def flush_folder(folder: Path) -> None:
    """Put a folder's list of names on disk, without which a new file may be gone after a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
