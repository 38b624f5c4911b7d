"""The objects of a bucket by key, through pyarrow's file systems; S3 is written through boto3 (`s3.py`)."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.objects.access import Access, StoreError


@dataclass(frozen=True)
class Facts:
    """What a store says of an object: bytes, when it was written (epoch seconds), and a mark of its content."""

    bytes: int
    written: float
    etag: str = ""


class Store:
    """A bucket through pyarrow's file system of its kind; keys have no `/` at either end. Safe for threads."""

    def __init__(self, scheme: str, bucket: str, how: Access) -> None:
        self.scheme, self.bucket, self.access = scheme, bucket, how

    def address(self, key: str) -> str:
        """As people write it."""
        return f"{self.scheme}://{self.bucket}/{key}".rstrip("/")

    @cached_property
    def _connected(self) -> tuple[Any, str]:
        from pyarrow.fs import FileSystem

        with self.saying("connect", ""):
            return FileSystem.from_uri(f"{self.scheme}://{self.bucket}")

    def files(self) -> tuple[Any, str]:
        """pyarrow's file system and the bucket's path in it."""
        return self._connected

    def open(self, key: str) -> Any:
        """An object for reading at random, as pyarrow.NativeFile. Raises FileNotFoundError, StoreError."""
        system, root = self.files()
        with self.saying("read", key):
            return system.open_input_file(f"{root}/{key}")

    def facts(self, key: str) -> Facts | None:
        """What the store says of an object; None where there is none."""
        from pyarrow.fs import FileType

        system, root = self.files()
        with self.saying("look at", key):
            found = system.get_file_info(f"{root}/{key}")
        return _facts(found) if found.type == FileType.File else None

    def listed(self, prefix: str, deep: bool = False) -> Iterator[tuple[str, Facts | None]]:
        """Keys below `prefix/` with their facts, sorted; folders have none. `deep`: of all folders below, no folders.

        Nothing where there is nothing.
        """
        from pyarrow.fs import FileSelector, FileType

        system, root = self.files()
        with self.saying("list", prefix):
            selector = FileSelector(f"{root}/{prefix}".rstrip("/"), allow_not_found=True, recursive=deep)
            found = system.get_file_info(selector)
        for one in sorted(found, key=lambda one: one.path):
            key = one.path.removeprefix(f"{root}/")
            if one.type == FileType.File:
                yield key, _facts(one)
            elif not deep:
                yield key, None

    def put(self, key: str, file: Path) -> None:
        """Let the object be what `file` holds: others see the old one until all of the new one is there."""
        system, root = self.files()
        with self.saying("write", key), file.open("rb") as content:
            # Closing a stream publishes it, so it is closed only when everything is in it.
            sink = system.open_output_stream(f"{root}/{key}")
            shutil.copyfileobj(content, sink, 8 << 20)
            sink.close()

    def put_new(self, key: str, content: bytes) -> bool:
        """Make an object that is not there yet; False if there is one. Not safe against another at the same time."""
        if self.facts(key) is not None:
            return False
        system, root = self.files()
        with self.saying("write", key):
            sink = system.open_output_stream(f"{root}/{key}")
            sink.write(content)
            sink.close()
        return True

    def put_over(self, key: str, content: bytes, etag: str) -> bool:
        """Replace what has the mark `etag` ("": nothing). Not safe against another at the same time."""
        there = self.facts(key)
        if (there.etag if there else "") != etag:
            return False
        system, root = self.files()
        with self.saying("write", key):
            sink = system.open_output_stream(f"{root}/{key}")
            sink.write(content)
            sink.close()
        return True

    def remove(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are passed over."""
        system, root = self.files()
        for key in keys:
            with self.saying("delete", key):
                try:
                    system.delete_file(f"{root}/{key}")
                except FileNotFoundError:
                    continue

    def saying(self, action: str, key: str) -> Any:
        """Inside, what goes wrong becomes a FileNotFoundError or a StoreError that names the object."""
        return _Saying(self, action, key)


class _Saying:
    def __init__(self, store: Store, action: str, key: str) -> None:
        self._store, self._action, self._key = store, action, key

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, StoreError) or not isinstance(error, Exception):
            return
        where = self._store.address(self._key)
        if isinstance(error, FileNotFoundError):
            raise FileNotFoundError(errno.ENOENT, "no such object", where) from None
        words = " ".join(str(error).split())[:400]
        raise StoreError(f"{where}: cannot {self._action}: {words}; `fangyan doctor` tries the store") from error


def _facts(found: Any) -> Facts:
    written = found.mtime or datetime.fromtimestamp(0, UTC)
    return Facts(found.size or 0, written.timestamp(), f"{found.size}-{found.mtime_ns}")
