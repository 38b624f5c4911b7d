"""How files of the lake are opened and removed, wherever they lie. Paths are asked through their own methods
(`exists`, `stat`, `glob`, `open`, `unlink`) and opened for Arrow by `readable`; `os` and `shutil` know folders only."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from pathlib import Path
from typing import Any

from pipeline.objects.access import StoreError
from pipeline.objects.path import ObjectPath

_AHEAD_BYTES = 1 << 20
_MOST_TRIES = 20


def readable(file: Path) -> Any:
    """`file` as pyarrow opens it: `pq.ParquetFile(readable(file))`. Raises FileNotFoundError from there or here."""
    return file.store.open(file.key) if isinstance(file, ObjectPath) else file


def names_in(folder: Path) -> list[str]:
    """Names of what lies in a folder, sorted. Raises OSError where there is none."""
    if isinstance(folder, ObjectPath):
        return sorted(one.name for one in folder.iterdir())
    return sorted(os.listdir(folder))


def append_line(file: Path, line: bytes) -> None:
    """Add a line to a file of lines, on disk when this returns, also if another does so at the same time."""
    if isinstance(file, ObjectPath):
        _append_in_store(file, line)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab+") as lines:
        fcntl.flock(lines, fcntl.LOCK_EX)
        size = lines.seek(0, os.SEEK_END)
        if size:
            lines.seek(size - 1)
        # A line that somebody wrote by hand may lack its end.
        begin = b"\n" if size and lines.read(1) != b"\n" else b""
        lines.write(begin + line + b"\n")
        lines.flush()
        os.fsync(lines.fileno())


def _append_in_store(file: ObjectPath, line: bytes) -> None:
    for _ in range(_MOST_TRIES):
        there = file.store.facts(file.key)
        content = file.read_bytes() if there else b""
        begin = b"\n" if content and not content.endswith(b"\n") else b""
        if file.store.put_over(file.key, content + begin + line + b"\n", there.etag if there else ""):
            return
    raise StoreError(f"{file}: others write to it all the time; give the command again")


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it; nothing happens where there is none."""
    if isinstance(folder, ObjectPath):
        folder.store.remove([file.key for file, _ in folder.walk_files()])
    else:
        shutil.rmtree(folder, ignore_errors=True)


def flush_folder(folder: Path) -> None:
    """Put a folder's list of names on disk, without which a new file may be gone after a power cut."""
    if isinstance(folder, ObjectPath):
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_shared(file: Path) -> SharedFile | SharedObject:
    """`file` open for reading by many threads, each with a place of its own."""
    return SharedObject(file) if isinstance(file, ObjectPath) else SharedFile(file)


class _Shared:
    """A file open for reading in which each thread has a place of its own.

    DuckDB's threads share a file, and each seeks and then reads: with one place for all, one would read where another
    sought.
    """

    def __init__(self, size: int) -> None:
        self._size = size
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
        while left and (piece := self._read_at(left, self.tell())):
            pieces.append(piece)
            left -= len(piece)
            self._thread.place = self.tell() + len(piece)
        return b"".join(pieces)

    def _read_at(self, size: int, place: int) -> bytes:
        raise NotImplementedError


class SharedFile(_Shared):
    """A file of this machine."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        super().__init__(os.fstat(self._descriptor).st_size)

    def _read_at(self, size: int, place: int) -> bytes:
        return os.pread(self._descriptor, size, place)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


class SharedObject(_Shared):
    """An object of a store; what is asked for is fetched in pieces of a megabyte, of which the last stays."""

    def __init__(self, path: ObjectPath) -> None:
        self._path = path
        self._content = path.store.open(path.key)
        super().__init__(self._content.size())

    def _read_at(self, size: int, place: int) -> bytes:
        begin, held = getattr(self._thread, "held", (0, b""))
        if not begin <= place < begin + len(held):
            with self._path.store.saying("read", self._path.key):
                begin, held = place, self._content.read_at(max(size, min(_AHEAD_BYTES, self._size - place)), place)
            self._thread.held = begin, held
        return held[place - begin : place - begin + size]

    def close(self) -> None:
        self._content.close()
