"""What the steps over the whole corpus need of a large table, made once per partition and kept in a cache.

A partition whose content is the same is not made again, so a new batch costs with the batch. What is kept is mapped
into memory, not loaded: the system holds as much of it as there is room for. The cache may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.lake.content import digest_of
from pipeline.lake.files import replace_bytes, replace_file
from pipeline.lake.lake import Lake
from pipeline.settings import Settings

FOLDER = "corpus"
"""In the workspace's folder of caches."""


def cache_of(lake: Lake, settings: Settings) -> Path:
    """The folder for what can be made again from the lake: in the workspace's cache, or in a lake of no workspace."""
    apart = isinstance(lake.root, Path) and lake.root != Lake(settings.lake).root
    return lake.root / ".cache" if apart else settings.root / "cache" / FOLDER


class Facts:
    """A table made of `columns` of each partition of `table` by `make`; `version` names what `make` does."""

    def __init__(
        self,
        lake: Lake,
        folder: Path,
        table: str,
        columns: Sequence[str],
        version: str,
        make: Callable[[pa.Table], pa.Table],
    ) -> None:
        self.folder = folder / table
        self.content: dict[str, str] = {}
        """SHA-256 of what each partition holds in these columns, by partition, in order."""
        index = self.folder / "index.json"
        before: dict[str, Any] = _read(index)
        after: dict[str, Any] = {}
        for partition in lake.partitions(table):
            stamp, known = lake.stamp(table, partition), before.get(partition)
            if known is None or known["stamp"] != stamp or known["version"] != version or not self._has(known):
                read = lake.read(table, partition, columns).combine_chunks()
                content = hashlib.sha256(f"{version}\0".encode() + digest_of(read)).hexdigest()
                known = {"stamp": stamp, "version": version, "content": content}
                if not self._has(known):
                    replace_file(self._file(content), lambda file, read=read: _save(make(read), file))
            after[partition] = known
            self.content[partition] = known["content"]
        if after != before:
            replace_bytes(index, json.dumps(after).encode())
            current = set(self.content.values())
            for file in self.folder.glob("*.arrow"):
                if file.stem not in current:
                    file.unlink()

    def tables(self) -> Iterator[pa.Table]:
        """What was made of each partition, in order of their names, mapped into memory."""
        for content in self.content.values():
            with pa.memory_map(str(self._file(content))) as source:
                yield pa.ipc.open_file(source).read_all()

    @property
    def digest(self) -> str:
        """Names the content of all partitions, whenever and wherever their files were written."""
        return hashlib.sha256(json.dumps(list(self.content.items())).encode()).hexdigest()

    def _has(self, known: dict[str, Any]) -> bool:
        return self._file(known["content"]).exists()

    def _file(self, content: str) -> Path:
        return self.folder / f"{content}.arrow"


def _read(index: Path) -> dict[str, Any]:
    try:
        return json.loads(index.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}


def _save(table: pa.Table, file: Path) -> None:
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
