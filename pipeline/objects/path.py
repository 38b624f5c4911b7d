"""A place in an object store that is asked like a folder's Path: `settings.lake / "segments" / "b00001.parquet"`.

What needs a file of this machine (`os.open`, a lock, a rename) raises a TypeError that names the object.
"""

from __future__ import annotations

import errno
import fnmatch
import io
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PosixPath, PurePosixPath
from typing import Any

from pipeline.objects.access import parse
from pipeline.objects.store import Facts, Store
from pipeline.objects.stores import store_of

_BUFFER = 1 << 20
_BLOCK = 8 << 20


@dataclass(frozen=True)
class ObjectStat:
    """What os.stat_result has of a file, of an object; `st_ino` changes with its content. Times are when it was put."""

    st_size: int
    st_mtime: float
    st_ino: int
    st_mode: int = stat.S_IFREG | 0o644

    @property
    def st_mtime_ns(self) -> int:
        return round(self.st_mtime * 1e9)

    @property
    def st_ctime(self) -> float:
        return self.st_mtime


class ObjectPath(PosixPath):
    """`s3://bucket/key`. Folders are what keys have before a `/`: they are there as soon as something is in them."""

    @property
    def store(self) -> Store:
        scheme, bucket, _ = self._place
        return store_of(scheme, bucket)

    @property
    def key(self) -> str:
        return self._place[2]

    @property
    def _place(self) -> tuple[str, str, str]:
        scheme, bucket, *rest = (*self.parts, "", "")[: max(2, len(self.parts))]
        return scheme.rstrip(":"), bucket, "/".join(rest)

    def __str__(self) -> str:
        return "{}://{}/{}".format(*self._place).rstrip("/")

    def __fspath__(self) -> str:
        raise TypeError(f"{self} lies in an object store, and this needs a file of this machine")

    def as_posix(self) -> str:
        return str(self)

    def relative_to(self, *other: Any, **_: Any) -> Any:
        """As a PurePosixPath, for what is left is no place of its own."""
        above = ObjectPath(*other)
        if self.parts[: len(above.parts)] != above.parts:
            raise ValueError(f"{self} does not lie below {above}")
        return PurePosixPath(*self.parts[len(above.parts) :])

    def is_relative_to(self, *other: Any) -> bool:
        above = PurePosixPath(*other).parts
        return self.parts[: len(above)] == above

    def absolute(self) -> ObjectPath:
        return self

    def resolve(self, strict: bool = False) -> ObjectPath:
        return self

    def is_absolute(self) -> bool:
        return True

    def expanduser(self) -> ObjectPath:
        return self

    def is_symlink(self) -> bool:
        return False

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        return bool(self.key) and self.store.facts(self.key) is not None

    def is_dir(self) -> bool:
        return next(iter(self.store.listed(self.key)), None) is not None

    def stat(self, *, follow_symlinks: bool = True) -> Any:
        """ObjectStat. Raises FileNotFoundError, also for a folder."""
        found = self.store.facts(self.key)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "no such object", str(self))
        return stat_of(found)

    def lstat(self) -> Any:
        return self.stat()

    def open(self, mode: str = "r", *_: Any, encoding: str | None = None, errors: str | None = None, **__: Any) -> Any:
        """For reading alone; it is written as a whole, by `publish`."""
        if set(mode) - set("rbt"):
            raise io.UnsupportedOperation(f"{self}: an object is replaced as a whole, not opened with {mode!r}")
        content = io.BufferedReader(_Reading(self.store.open(self.key), str(self)), _BUFFER)
        return content if "b" in mode else io.TextIOWrapper(content, encoding or "utf-8", errors)

    def read_bytes(self) -> bytes:
        with self.store.open(self.key) as content, self.store.saying("read", self.key):
            return content.read()

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    @contextmanager
    def copied(self) -> Iterator[Path]:
        """A copy on this machine under the object's name, for as long as the context lasts."""
        with tempfile.TemporaryDirectory(prefix="fangyan-get-") as folder:
            copy = Path(folder) / self.name
            self.fetch(copy)
            yield copy

    def fetch(self, file: Path) -> None:
        """Write what the object holds into `file` of this machine."""
        with self.store.open(self.key) as content, file.open("wb") as copy, self.store.saying("read", self.key):
            while block := content.read(_BLOCK):
                copy.write(block)

    def publish(self, file: Path) -> None:
        """Let the object be what `file` of this machine holds, in one step."""
        self.store.put(self.key, file)

    def write_bytes(self, data: Any) -> int:
        with tempfile.NamedTemporaryFile(prefix="fangyan-put-") as made:
            made.write(data)
            made.flush()
            self.publish(Path(made.name))
        return len(data)

    def write_text(self, data: str, encoding: str | None = None, *_: Any, **__: Any) -> int:
        return self.write_bytes(data.encode(encoding or "utf-8"))

    def mkdir(self, *_: Any, **__: Any) -> None:
        return

    def unlink(self, missing_ok: bool = False) -> None:
        if not missing_ok and not self.is_file():
            raise FileNotFoundError(errno.ENOENT, "no such object", str(self))
        self.store.remove([self.key])

    def iterdir(self) -> Any:
        """Raises FileNotFoundError where there is nothing."""
        found = [ObjectPath(f"{self._place[0]}:/{self._place[1]}/{key}") for key, _ in self.store.listed(self.key)]
        if not found:
            raise FileNotFoundError(errno.ENOENT, "nothing lies below", str(self))
        return iter(found)

    def glob(self, pattern: str, **_: Any) -> Any:
        """Objects right below whose names match; a pattern with a `/` is not supported."""
        if "/" in pattern or "**" in pattern:
            raise NotImplementedError(f"{self}: only names right below are looked up, not {pattern!r}")
        top = f"{self._place[0]}:/{self._place[1]}"
        for key, _facts in self.store.listed(self.key):
            if fnmatch.fnmatchcase(key.rpartition("/")[2], pattern):
                yield ObjectPath(f"{top}/{key}")

    def walk_files(self) -> Iterator[tuple[ObjectPath, Facts]]:
        """Every object below, sorted by key, with what the store says of it; one listing."""
        top = f"{self._place[0]}:/{self._place[1]}"
        for key, facts in self.store.listed(self.key, deep=True):
            if facts is not None:
                yield ObjectPath(f"{top}/{key}"), facts


def object_path(address: str | Path) -> ObjectPath | None:
    """The place that an address names; None for a path of this machine."""
    if isinstance(address, ObjectPath):
        return address
    found = parse(str(address))
    return None if found is None else ObjectPath("{}:/{}/{}".format(*found))


def placed(path: str | Path) -> Path:
    """The place that a text names, in a store or on this machine."""
    return object_path(path) or Path(path)


def stat_of(facts: Facts) -> ObjectStat:
    """A store's word as os.stat would say it."""
    mark = f"{facts.etag}:{facts.bytes}".encode()
    return ObjectStat(facts.bytes, facts.written, zlib.crc32(mark) | len(mark) << 32)


class _Reading(io.RawIOBase):
    """An object as a raw stream for io.BufferedReader."""

    def __init__(self, content: Any, name: str) -> None:
        self._content, self.name = content, name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._content.tell(), io.SEEK_END: self._content.size()}[whence]
        self._content.seek(max(0, base + offset))
        return self._content.tell()

    def tell(self) -> int:
        return self._content.tell()

    def readinto(self, buffer: Any) -> int:
        data = self._content.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._content.close()
        super().close()
