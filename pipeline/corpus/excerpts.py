"""The stored audio of segments: the one reader of "the audio of these segments"."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.audio.clips import decode_bytes
from pipeline.lake.lake import Lake
from pipeline.lake.storage import readable

_CHUNK = 16


def segment_audio(
    lake: Lake, segment_ids: Collection[str], partitions: Iterable[str] | None = None
) -> Iterator[tuple[str, bytes]]:
    """(segment_id, FLAC file as bytes) from table segments, in the order of the table.

    Reads the partitions named, or all of them. Ids that are nowhere are left out.
    """
    for partition in lake.partitions("segments") if partitions is None else partitions:
        yield from audio_in(lake.path("segments", partition), segment_ids)


def audio_in(file: Path, segment_ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """(segment_id, FLAC file as bytes) from one Parquet file with columns segment_id and audio.

    Only the row groups that hold one of the ids are read, and few rows are in memory at a time.
    """
    wanted = pa.array(sorted(segment_ids), pa.string())
    with pq.ParquetFile(readable(file)) as content:
        for group in range(content.num_row_groups if len(wanted) else 0):
            ids = content.read_row_group(group, columns=["segment_id"])["segment_id"]
            here = pc.is_in(ids, value_set=wanted)  # type: ignore[attr-defined]
            if not pc.any(here).as_py():  # type: ignore[attr-defined]
                continue
            table = content.read_row_group(group, columns=["segment_id", "audio"]).filter(here)
            for batch in table.to_batches(_CHUNK):
                yield from ((row["segment_id"], row["audio"]["bytes"]) for row in batch.to_pylist() if row["audio"])


def audio_at(lake: Lake, partition: str, rows: NDArray[np.int64]) -> Iterator[tuple[int, bytes]]:
    """(row, FLAC file as bytes) of some rows of a partition of table segments, given in order; rows without sound are
    left out, and row groups without any of them are not read."""
    with pq.ParquetFile(readable(lake.path("segments", partition))) as content:
        sizes = [content.metadata.row_group(group).num_rows for group in range(content.num_row_groups)]
        begins = np.concatenate([[0], np.cumsum(sizes)])
        for group in np.unique(np.searchsorted(begins, rows, "right") - 1).tolist():
            first = int(begins[group])
            here = rows[(rows >= first) & (rows < begins[group + 1])]
            sounds = content.read_row_group(group, columns=["audio"])["audio"].take(pa.array(here - first))
            for row, cell in zip(here.tolist(), sounds, strict=True):
                sound = cell.as_py()
                if sound and sound["bytes"]:
                    yield row, sound["bytes"]


def segment_samples(lake: Lake, segment_ids: Collection[str]) -> dict[str, tuple[NDArray[np.float32], int]]:
    """segment_id -> (float32 (T,), sample rate in Hz); holds all of them in memory."""
    return {name: decode_bytes(data) for name, data in segment_audio(lake, segment_ids)}
