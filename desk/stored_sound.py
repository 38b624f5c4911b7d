"""Where one row's sound lies in a Parquet file: walks the pages of its column chunk without the file's footer.

Footers of a large lake are hundreds of megabytes. Only for columns as `Lake` writes sound: plain and uncompressed.
The format: Apache Parquet, `parquet.thrift` (PageHeader, compact protocol) and Encodings (RLE hybrid, PLAIN).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

_COLUMN = "audio.bytes"
_DEPTH = 2
"""Levels of `audio`, which may be null, and its `bytes`, which may be too."""
_LEVEL_BITS = 2
_DATA_PAGE = 0
_MOST_HEADER = 4096


@dataclass(frozen=True)
class Chunk:
    """The sound of one row group: its first row in the file, and where its pages begin and end; None: not plain."""

    first_row: int
    rows: int
    begin: int | None
    end: int | None


def chunks(metadata: pq.FileMetaData) -> Iterator[Chunk]:
    """Of each row group in order."""
    names = [metadata.schema.column(index).path for index in range(metadata.num_columns)]
    column = names.index(_COLUMN)
    first = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        about = group.column(column)
        if about.compression == "UNCOMPRESSED" and not about.has_dictionary_page:
            begin = about.data_page_offset
            yield Chunk(first, group.num_rows, begin, begin + about.total_compressed_size)
        else:
            yield Chunk(first, group.num_rows, None, None)
        first += group.num_rows


def read(file: int, begin: int, end: int, row: int) -> bytes | None:
    """Bytes of row `row` of a chunk, counted from 0, of a file open for reading; None where the row has no sound.

    Raises ValueError for what is not laid out as expected.
    """
    place = begin
    while place < end:
        head = os.pread(file, min(_MOST_HEADER, end - place), place)
        header, size = _struct(head, 0)
        if header[1] != _DATA_PAGE or 5 not in header:
            raise ValueError(f"a page of kind {header[1]} at byte {place}")
        count, length, body = header[5][1], header[3], place + size
        if row < count:
            return _value(file, body, body + length, row, count)
        row -= count
        place = body + length
    raise ValueError("the chunk has fewer rows than its file says")


def _value(file: int, place: int, end: int, row: int, count: int) -> bytes | None:
    (length,) = struct.unpack("<I", os.pread(file, 4, place))
    levels = _levels(os.pread(file, length, place + 4), count)
    if levels[row] < _DEPTH:
        return None
    place += 4 + length
    for _ in range(sum(level == _DEPTH for level in levels[:row])):
        (size,) = struct.unpack("<I", os.pread(file, 4, place))
        place += 4 + size
    (size,) = struct.unpack("<I", os.pread(file, 4, place))
    if place + 4 + size > end:
        raise ValueError(f"a value at byte {place} reaches out of its page")
    return os.pread(file, size, place + 4)


def _levels(data: bytes, count: int) -> list[int]:
    """RLE and bit-packed runs, two bits a level."""
    levels: list[int] = []
    place = 0
    while len(levels) < count:
        run, place = _varint(data, place)
        if run & 1:
            packed = int.from_bytes(data[place : place + (run >> 1) * _LEVEL_BITS], "little")
            levels += [packed >> (_LEVEL_BITS * index) & 3 for index in range((run >> 1) * 8)]
            place += (run >> 1) * _LEVEL_BITS
        else:
            levels += [data[place]] * (run >> 1)
            place += 1
    return levels[:count]


def _struct(data: bytes, place: int) -> tuple[dict[int, Any], int]:
    """Fields by their id of a struct in Thrift's compact protocol, and where it ends."""
    fields: dict[int, Any] = {}
    number = 0
    while (head := data[place]) != 0:
        place += 1
        if head >> 4:
            number += head >> 4
        else:
            jump, place = _varint(data, place)
            number = _signed(jump)
        fields[number], place = _field(data, place, head & 15)
    return fields, place + 1


def _field(data: bytes, place: int, kind: int) -> tuple[Any, int]:
    if kind in (1, 2):
        return kind == 1, place
    if kind == 3:
        return data[place], place + 1
    if kind in (4, 5, 6):
        value, place = _varint(data, place)
        return _signed(value), place
    if kind == 7:
        return struct.unpack_from("<d", data, place)[0], place + 8
    if kind == 8:
        size, place = _varint(data, place)
        return data[place : place + size], place + size
    if kind == 12:
        return _struct(data, place)
    raise ValueError(f"a field of kind {kind} in a page's header")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def _signed(value: int) -> int:
    return (value >> 1) ^ -(value & 1)
