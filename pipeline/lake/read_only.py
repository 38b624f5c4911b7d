"""The lake as DuckDB may see it in a query: its tables' files and nothing else, for reading only."""

from __future__ import annotations

import fnmatch
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem

from pipeline.lake.lake import Lake
from pipeline.lake.storage import open_shared
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
        return open_shared(self._file(path))

    def _file(self, path: str) -> Path:
        table, _, name = _inside(path).partition("/")
        if table not in TABLES or "/" in name or not name.endswith(".parquet"):
            raise FileNotFoundError(f"{path}: no file of the lake's tables")
        file = self._lake.path(table, name.removesuffix(".parquet")).resolve()
        if not file.is_relative_to(self._lake.root.resolve()):
            raise PermissionError(f"{path} is a link that leads out of the lake")
        return file


def _inside(path: str) -> str:
    """`lake://segments/b1.parquet` or without the scheme -> `segments/b1.parquet`."""
    return path.removeprefix(f"{SCHEME}://")
