"""A hash of what partitions hold, by which a run that changed nothing is told from one that did."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.lake.lake import Lake
from pipeline.lake.tables import TABLES, times_of


def content_of(lake: Lake, partitions: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over the rows of each (table, partition), in hexadecimal; a partition without a file has no rows.

    Sound is left out: provenance, which every row carries, stands for it; and so is when a row was made.
    """
    digest = hashlib.sha256()
    for table, partition in partitions:
        columns = [name for name in TABLES[table].names if name not in {"audio"} | times_of(table)]
        digest.update(_bytes_of(lake.read(table, partition, columns)))
    return digest.hexdigest()


def digest_of(rows: pa.Table) -> bytes:
    """SHA-256 of rows: the same for the same values, however they were cut into chunks."""
    return hashlib.sha256(_bytes_of(rows)).digest()


def _bytes_of(rows: pa.Table) -> pa.Buffer:
    rows = rows.combine_chunks()
    # Descriptions of columns are no content.
    bare = pa.schema([pa.field(field.name, field.type) for field in rows.schema])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, bare) as writer:
        writer.write_table(pa.table([_defined(column) for column in rows.cast(bare).columns], schema=bare))
    return sink.getvalue()


def _defined(column: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The column with zeros where it is null: what lies there in memory depends on how the file was cut into groups."""
    if column.null_count == 0 or not pa.types.is_primitive(column.type):
        return column
    array = pa.concat_arrays(column.chunks)
    zero = pa.scalar(False if pa.types.is_boolean(column.type) else 0, _bits(column.type)).cast(column.type)
    values = pc.fill_null(array, zero)  # type: ignore[attr-defined]
    return pa.Array.from_buffers(column.type, len(array), [array.buffers()[0], values.buffers()[1]], array.null_count)


def _bits(kind: pa.DataType) -> pa.DataType:
    """A number type from which a zero of `kind` can be cast."""
    return pa.int32() if pa.types.is_date32(kind) else pa.int64() if pa.types.is_temporal(kind) else kind
