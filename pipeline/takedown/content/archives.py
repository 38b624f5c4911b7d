"""Archives and compressed files: each member is searched like a file. One with a withdrawn member goes whole."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, cast

from pipeline.takedown.content.outcome import Outcome, Unsearchable

Search = Callable[[BinaryIO, str], Outcome | None]
_IN_MEMORY = 32 << 20
_OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)


def search(file: BinaryIO, name: str, kind: str, search_member: Search) -> Outcome | None:
    """`file` if a member holds something withdrawn. Raises Unsearchable for what is encrypted or damaged."""
    unsearchable, mention = [], None
    try:
        for member, content in _members(file, name, kind):
            try:
                found = search_member(content, member)
            except Unsearchable as error:
                unsearchable.append(f"{member}: {error}")
                continue
            if found and found.what != "mention":
                return Outcome("file")
            mention = mention or found
    except _DAMAGED as error:
        raise Unsearchable(f"cannot be unpacked: {error}") from None
    if unsearchable:
        raise Unsearchable("; ".join(unsearchable[:5]))
    return mention


def _members(file: BinaryIO, name: str, kind: str) -> Iterator[tuple[str, BinaryIO]]:
    if kind == "zip":
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    with archive.open(member) as source, _seekable(source) as content:
                        yield member.filename, content
    elif kind == "tar":
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                source = archive.extractfile(member) if member.isfile() else None
                if source is not None:
                    with _seekable(source) as content:
                        yield member.name, content
    else:
        with _unpacked(file) as source, _seekable(source) as content:
            yield name.rpartition(".")[0] or name, content


@contextmanager
def _unpacked(file: BinaryIO) -> Iterator[IO[bytes]]:
    head = file.read(6)
    file.seek(0)
    opener = next((opener for magic, opener in _OPENERS.items() if head.startswith(magic)), None)
    if opener is None:
        import pyarrow as pa

        with pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd") as source:
            yield cast("IO[bytes]", source)
        return
    with opener(file) as source:
        yield cast("IO[bytes]", source)


@contextmanager
def _seekable(source: IO[bytes]) -> Iterator[BinaryIO]:
    """The content in memory, or in a file without a name where it is large: nothing is left if this is killed."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as content:
        shutil.copyfileobj(source, content, 1 << 20)
        content.seek(0)
        yield cast("BinaryIO", content)
