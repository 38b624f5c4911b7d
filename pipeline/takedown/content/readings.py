"""Text of unknown encoding: the ways in which its bytes may be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

_BLOCK = 64 << 20


def readings(content: bytes) -> list[tuple[str, str]]:
    """(encoding, text) for every encoding that the bytes are valid in; each text encodes to the same bytes again.

    UTF-8 excludes the others. Text in GB 18030 may be valid in Big5 as well and the reverse, so both are given.
    """
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if content.startswith(mark):
            return _valid(content, (encoding,))
    if b"\x00" in content:
        return _valid(content, ("utf-16-le",) if content[1::2].count(0) > content[::2].count(0) else ("utf-16-be",))
    return _valid(content, ("utf-8",)) or _valid(content, ("gb18030", "big5hkscs", "shift_jis"))


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """The file in blocks that end with a line, so that a large one is not held whole; UTF-16 comes in one block."""
    first = file.read(_BLOCK)
    if b"\x00" in first[:4096] or first.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield first + file.read()
        return
    block = first
    while block:
        block += file.readline()
        yield block
        block = file.read(_BLOCK)


def _valid(content: bytes, encodings: tuple[str, ...]) -> list[tuple[str, str]]:
    found = []
    for encoding in encodings:
        try:
            text = content.decode(encoding)
            if text.encode(encoding) == content:
                found.append((encoding, text))
        except UnicodeError:
            continue
    return found
