"""The lake as DuckDB may see it in a query: its tables' files and nothing else, for reading only."""

from __future__ import annotations

import fnmatch
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem

from pipeline.lake.lake import Lake
from pipeline.lake.tables import TABLES

SCHEME = "lake"


class ReadOnlyLake(AbstractFileSystem):
    """`lake://<table>/<partition>.parquet` of one lake, as a file system of fsspec that has no way to write."""

    protocol = SCHEME
    cachable = False

    def __init__(self, lake: Lake) -> None:
        super().__init__()
        self._lake = lake

    def glob(self, path: str, maxdepth: int | None = None, **_options: Any) -> list[str]:
        """Names of the files that match `<table>/<pattern>`. Raises PermissionError for a link out of the lake."""
        table, _, pattern = _inside(path).partition("/")
        partitions = self._lake.partitions(table) if table in TABLES else []
        names = fnmatch.filter([f"{partition}.parquet" for partition in partitions], pattern)
        return [self.info(f"{table}/{name}")["name"] for name in names]

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        """Name, size in bytes and kind of one of the tables' files. Raises FileNotFoundError."""
        name = _inside(path)
        return {"name": name, "size": self._file(name).stat().st_size, "type": "file"}

    def modified(self, path: str) -> datetime:
        return datetime.fromtimestamp(self._file(path).stat().st_mtime, UTC)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        **_options: Any,
    ) -> Any:
        if mode != "rb":
            raise PermissionError("the lake is only read here")
        return SharedFile(self._file(path))

    def _file(self, path: str) -> Path:
        table, _, name = _inside(path).partition("/")
        if table not in TABLES or "/" in name or not name.endswith(".parquet"):
            raise FileNotFoundError(f"{path}: no file of the lake's tables")
        file = self._lake.path(table, name.removesuffix(".parquet")).resolve()
        if not file.is_relative_to(self._lake.root.resolve()):
            raise PermissionError(f"{path} is a link that leads out of the lake")
        return file


class SharedFile:
    """A file open for reading in which each thread has a place of its own.

    DuckDB's threads share a file, and each seeks and then reads: with one place for all, one would read where another
    sought.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._size = os.fstat(self._descriptor).st_size
        self._thread = threading.local()

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        """This thread's place, in bytes from the beginning."""
        return getattr(self._thread, "place", 0)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move this thread's place; `whence` as for os.lseek."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}[whence]
        self._thread.place = max(0, base + offset)
        return self._thread.place

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes from this thread's place, to the end if negative; fewer only at the end."""
        left = max(0, self._size - self.tell())
        left = left if size < 0 else min(size, left)
        pieces = []
        while left and (piece := os.pread(self._descriptor, left, self.tell())):
            pieces.append(piece)
            left -= len(piece)
            self._thread.place = self.tell() + len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def _inside(path: str) -> str:
    """`lake://segments/b1.parquet` or without the scheme -> `segments/b1.parquet`."""
    return path.removeprefix(f"{SCHEME}://")
