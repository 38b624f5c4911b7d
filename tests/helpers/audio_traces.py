"""Looks for audio in every file below a folder, as bytes of files, of table cells and of decoded sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.audio import clips
from pipeline.errors import BadRecording

WINDOW = 64
_VARIED = 24
"""A window with fewer different bytes is padding or silence, which any file may have."""
_SOUND = {".wav", ".flac", ".mp3", ".ogg", ".m4a", ".webm", ".mka"}


def windows(*contents: bytes) -> set[bytes]:
    """Windows of 64 bytes side by side: of any 127 bytes in a row that are left somewhere, one is whole."""
    cut = (content[at : at + WINDOW] for content in contents for at in range(0, len(content) - WINDOW + 1, WINDOW))
    return {one for one in cut if len(set(one)) >= _VARIED}


def pcm(samples: np.ndarray) -> tuple[bytes, bytes]:
    """Sound as it may lie in files: 16-bit integers and 32-bit floats."""
    return clips.to_int16(samples).astype("<i2").tobytes(), np.asarray(samples, "<f4").tobytes()


def traces(root: Path, wanted: set[bytes]) -> dict[str, int]:
    """Files below `root` that hold any of the windows, with how many of them."""
    assert wanted
    table = np.zeros(1 << 24, bool)
    table[_hashed(np.frombuffer(b"".join(one[:8] for one in wanted), "<u8"))] = True
    found: dict[str, set[bytes]] = {}
    for place, content in _contents(root):
        hits = set(_hits(content, wanted, table))
        if hits:
            found.setdefault(place, set()).update(hits)
    return {place: len(hits) for place, hits in found.items()}


def _hits(content: bytes, wanted: set[bytes], table: np.ndarray) -> Iterator[bytes]:
    count = len(content) - WINDOW + 1
    if count <= 0:
        return
    starts = np.ndarray((count,), "<u8", buffer=content, strides=(1,))
    for at in np.flatnonzero(table[_hashed(starts)]):
        window = content[at : at + WINDOW]
        if window in wanted:
            yield window


def _hashed(words: np.ndarray) -> np.ndarray:
    return (words * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)


def _contents(root: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        place = file.relative_to(root).as_posix()
        content = file.read_bytes()
        yield place, content
        cells: Iterable[bytes] = ()
        if file.suffix == ".parquet":
            cells = list(_cells(pq.ParquetFile(file).read()))
            yield from ((place, cell) for cell in cells)
        elif file.suffix in _SOUND:
            cells = [content]
        for cell in cells:
            try:
                samples, _ = clips.decode_bytes(cell)
            except (BadRecording, ValueError):
                continue
            yield from ((place, data) for data in pcm(samples))


def _cells(table: pa.Table) -> Iterator[bytes]:
    for name in table.column_names:
        kind = table.schema.field(name).type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            yield from (cell["bytes"] for cell in table[name].to_pylist() if cell and cell["bytes"])
        elif pa.types.is_binary(kind):
            yield from (cell for cell in table[name].to_pylist() if cell)
