"""Files that hold several recordings one after another, and WAV headers that promise less than follows.

FFmpeg reads the first link of a chained Ogg, the first of joined WAVs, and as much as a header promises. Here a file
is told into parts that are opened one by one.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_BLOCK = 1 << 20
_OGG_PAGE, _BOS = b"OggS\0", 0x02
_RIFF = (b"RIFF", b"RF64", b"BW64")
# Lengths that programs write into the header of a stream are a power of two or just below one.
_SMALLEST_PLACEHOLDER_BITS = 28
_PLACEHOLDER_REACH = 4096
_SOX_AIFF = 0x7F000000
# Fewer bytes than this after the data chunk may be a tag of some program.
_LEAST_SECONDS, _LEAST_SHARE = 0.5, 0.01


@dataclass(frozen=True)
class Part:
    """Bytes `start` to `end` of a file.

    `beyond` is True if audio goes on to `end` after what the header promises; `unread` counts bytes at the end that are
    no chunk and too few to be audio.
    """

    start: int
    end: int
    beyond: bool = False
    unread: int = 0


class Window(io.RawIOBase):
    """Bytes `start` to `end` of an open file as a file of their own, read only."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file, self._start, self._end = file, start, end
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end - self._start}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._end - self._start - self._at)
        self._file.seek(self._start + self._at)
        data = self._file.read(left if size is None or size < 0 else min(size, left))
        self._at += len(data)
        return data


def parts_of(file: BinaryIO) -> list[Part]:
    """The parts of an open file in order; nearly always one."""
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(4)
    if head == b"OggS":
        starts = _ogg_links(file)
        return [Part(*pair) for pair in zip(starts, [*starts[1:], end], strict=True)]
    if head in _RIFF:
        return _wav_parts(file, end)
    return [Part(0, end)]


def is_placeholder(size: int) -> bool:
    """True for a data length that a program writes before it knows the true one."""
    if size in (0, _SOX_AIFF) or size.bit_length() > 63:
        return True
    above = 1 << size.bit_length()
    near = above - size <= _PLACEHOLDER_REACH or size == above >> 1
    return near and size >= (1 << _SMALLEST_PLACEHOLDER_BITS) - _PLACEHOLDER_REACH


def _ogg_links(file: BinaryIO) -> list[int]:
    """Where each link of an Ogg file begins: at a first page of a stream that follows on one that is none."""
    starts: list[int] = []
    in_headers = False
    for at, flags in _ogg_pages(file):
        first = bool(flags & _BOS)
        if first and not in_headers:
            starts.append(at)
        in_headers = first
    return starts if starts and starts[0] == 0 else [0, *starts]


def _ogg_pages(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Offset and flags of every page, found by its capture pattern and version, in blocks."""
    file.seek(0)
    offset, held = 0, b""
    while block := file.read(_BLOCK):
        held += block
        at = held.find(_OGG_PAGE)
        while 0 <= at < len(held) - len(_OGG_PAGE):
            yield offset + at, held[at + len(_OGG_PAGE)]
            at = held.find(_OGG_PAGE, at + 1)
        # A page that begins here is found with the next block.
        offset, held = offset + len(held) - len(_OGG_PAGE), held[-len(_OGG_PAGE) :]


def _wav_parts(file: BinaryIO, end: int) -> list[Part]:
    parts: list[Part] = []
    start = 0
    while True:
        at, kind = _after_data(file, start, end)
        if kind != "next":
            return [*parts, Part(start, end, beyond=kind == "audio", unread=end - at if kind == "unread" else 0)]
        parts.append(Part(start, at))
        start = at


def _after_data(file: BinaryIO, start: int, end: int) -> tuple[int, str]:
    """Where the chunks of the WAV at `start` end, and what follows: the `next` WAV, `audio`, `unread`, `nothing`."""
    at = start + 12
    bytes_per_second = data_end = data_bytes = 0
    while at + 8 <= end:
        file.seek(at)
        name, size = file.read(4), int.from_bytes(file.read(4), "little")
        if data_end and name in _RIFF and file.read(4) == b"WAVE":
            return at, "next"
        if data_end and (not _is_chunk_name(name) or at + 8 + size > end):
            enough = max(_LEAST_SECONDS * bytes_per_second, _LEAST_SHARE * data_bytes)
            return at, "audio" if at - data_end <= 1 and end - at > enough else "unread"
        if name == b"fmt ":
            bytes_per_second = int.from_bytes(file.read(12)[8:], "little")
        if name == b"data":
            if is_placeholder(size) or at + 8 + size > end:
                return end, "nothing"
            data_end, data_bytes = at + 8 + size, size
        at += 8 + size + size % 2
    return end, "nothing"


def _is_chunk_name(name: bytes) -> bool:
    return all(32 <= letter < 127 for letter in name)
