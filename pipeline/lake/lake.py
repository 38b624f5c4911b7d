"""The lake: one Parquet file per (table, partition), replaced atomically, and the part files of a running batch.

A part file holds what a group of recordings gave in one stage; their ledger and quarantine rows ride in the schema
metadata, so that a part is there whole or not at all.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.lake.files import replace_file
from pipeline.lake.rows import Row, to_rows, to_table
from pipeline.lake.storage import readable, remove_tree
from pipeline.lake.stored import is_outdated, stored_names, to_stored, with_current_names
from pipeline.lake.tables import AUDIO, TABLES
from pipeline.objects.owner import claim
from pipeline.objects.path import ObjectPath, object_path

AUDIO_ROW_GROUP = 100
ROW_GROUP = 50_000
# A recording is read by its row groups, so not too many recordings share one.
_LEAST_ROWS = 2_000
_HELD_BYTES = 64 << 20
PARTS_NOTE = "parts"


def write_parquet(chunks: Iterable[pa.Table], file: Path, row_group: int = ROW_GROUP) -> None:
    """Write `chunks`, which share a schema, to a temporary name in the same folder, flush, then replace `file`.

    A row group has `row_group` rows at most. Small chunks are put together until a row group is worth its place, so
    memory holds few of them; none is without rows, as `datasets` takes the first one's rows for its batch.
    """
    least = min(row_group // 2, _LEAST_ROWS)

    def write(temporary: Path) -> None:
        iterator = iter(chunks)
        first = next(iterator)
        with pq.ParquetWriter(temporary, first.schema, **_encoding(first.schema)) as writer:
            held: list[pa.Table] = []
            rows = size = 0
            for chunk in itertools.chain([first], iterator):
                held.append(chunk)
                rows, size = rows + chunk.num_rows, size + chunk.nbytes
                if rows >= least or size >= _HELD_BYTES:
                    _write_rows(writer, held, row_group)
                    held, rows, size = [], 0, 0
            _write_rows(writer, held, row_group)

    replace_file(file, write)


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    """Options of a ParquetWriter. Sound is stored as it is, in pages of some clips, so that one clip is read alone.

    With a dictionary a row group's clips would all lie in one page; FLAC does not get smaller by compression.
    """
    sound = [f"{field.name}.bytes" for field in schema if field.type == AUDIO]
    if not sound:
        return {"compression": "zstd"}
    others = [path for path in _leaves(schema) if path not in sound]
    compression = dict.fromkeys(sound, "none") | dict.fromkeys(others, "zstd")
    return {"compression": compression, "use_dictionary": others, "write_batch_size": 1}


def _leaves(schema: pa.Schema) -> list[str]:
    """Paths of the columns as Parquet counts them: `characters.list.element.start`."""
    file = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), file)
    columns = pq.ParquetFile(pa.BufferReader(file.getvalue())).schema
    return [columns.column(index).path for index in range(len(columns))]


def _write_rows(writer: pq.ParquetWriter, held: Sequence[pa.Table], row_group: int) -> None:
    if any(chunk.num_rows for chunk in held):
        writer.write_table(pa.concat_tables(held), row_group)


def rows_with(file: Path, column: str, value: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Rows of a file whose `column` has this value. Of the other columns only the row groups that hold it are read.

    Ids are hashes, so the least and greatest of a row group, by which Parquet's readers choose, leave few out.
    """
    with pq.ParquetFile(readable(file)) as content:
        values = content.read(columns=[column], use_threads=False)[column]
        rows = pc.indices_nonzero(pc.equal(values, value)).to_pylist()  # type: ignore[attr-defined]
        sizes = (content.metadata.row_group(group).num_rows for group in range(content.num_row_groups))
        ends = list(itertools.accumulate(sizes))
        groups = sorted({bisect.bisect_right(ends, row) for row in rows})
        wanted = columns if columns is None or column in columns else [*columns, column]
        found = content.read_row_groups(groups, columns=wanted, use_threads=False)
    found = found.filter(pc.field(column) == value)
    return found if columns is None else found.select([name for name in columns if name in found.column_names])


def fitted(content: pa.Table, name: str, schema: pa.Schema) -> pa.Table:
    """What a file of table `name` holds, with the columns of `schema`; those that it lacks for its age are null."""
    table = with_current_names(content, name)
    for field in schema:
        if field.nullable and field.name not in table.schema.names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table.select(schema.names).cast(schema)


@dataclass(frozen=True)
class Part:
    """What one stage made of one recording, with the provenance it was made under."""

    source: str
    provenance: str
    rows: pa.Table
    ledger: list[Row]
    quarantine: list[Row]


class Lake:
    """Tables of a workspace below `root`, as `root/<table>/<partition>.parquet`."""

    def __init__(self, root: Path) -> None:
        self.root = object_path(root) or Path(root)

    def path(self, table: str, partition: str) -> Path:
        """The file of a partition, whether it exists or not."""
        return self.root / table / f"{partition}.parquet"

    def partitions(self, table: str) -> list[str]:
        """Names of the partitions that have a file, sorted."""
        return sorted(file.stem for file in (self.root / table).glob("*.parquet") if not file.name.startswith("."))

    def stamp(self, table: str, partition: str) -> list[int]:
        """Size, time of writing (ns) and number of a partition's file: while they stand, so does its content."""
        found = self.path(table, partition).stat()
        return [found.st_size, found.st_mtime_ns, found.st_ino]

    def notes(self, table: str, partition: str) -> dict[bytes, bytes]:
        """What was written into a partition's file beside its rows; nothing where there is no file."""
        file = self.path(table, partition)
        return dict(pq.read_schema(readable(file)).metadata or {}) if file.exists() else {}

    def batches(self, table: str, partition: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Some ten thousand rows of a partition at a time, in order."""
        file = self.path(table, partition)
        if not file.exists():
            return
        schema = pa.schema([TABLES[table].field(name) for name in columns])
        with pq.ParquetFile(readable(file)) as content:
            for batch in content.iter_batches(ROW_GROUP, columns=stored_names(table, columns), use_threads=False):
                yield fitted(pa.Table.from_batches([batch]), table, schema)

    def read(self, table: str, partition: str | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """One partition, or all of them one after another; an empty table with the right schema where there is none."""
        schema = TABLES[table] if columns is None else pa.schema([TABLES[table].field(name) for name in columns])
        names = self.partitions(table) if partition is None else [partition]
        files = [file for name in names if (file := self.path(table, name)).exists()]
        wanted = stored_names(table, columns) if columns else None
        read = [fitted(pq.ParquetFile(readable(file)).read(columns=wanted), table, schema) for file in files]
        return pa.concat_tables(read) if read else schema.empty_table()

    def rows(self, table: str, partition: str | None = None, columns: Sequence[str] | None = None) -> list[Row]:
        """`read` as dictionaries; a map column becomes a dictionary too."""
        return to_rows(self.read(table, partition, columns))

    def select(self, table: str, condition: pc.Expression, columns: Sequence[str]) -> Iterator[Row]:
        """The rows of all partitions that meet a condition on some of `columns`; few others are in memory at a time."""
        for partition in self.partitions(table):
            for batch in self.batches(table, partition, columns):
                yield from to_rows(batch.filter(condition))

    def of_recording(self, table: str, partition: str, recording_id: str) -> pa.Table:
        """The rows of one recording; only its row groups are read."""
        file = self.path(table, partition)
        if not file.exists():
            return TABLES[table].empty_table()
        found = rows_with(file, "recording_id", recording_id)
        return fitted(found, table, TABLES[table])

    def write(self, table: str, partition: str, content: Iterable[pa.Table] | Sequence[Row]) -> None:
        """Replace a partition by rows, or by chunks that have the table's schema (held in memory one at a time)."""
        self._claim()
        if isinstance(content, Sequence):
            content = [to_table(table, content)]
        row_group = AUDIO_ROW_GROUP if "audio" in TABLES[table].names else ROW_GROUP
        write_parquet(map(to_stored, content), self.path(table, partition), row_group)

    def _claim(self) -> None:
        if isinstance(self.root, ObjectPath):
            claim(self.root)

    def is_outdated(self, table: str, partition: str) -> bool:
        """Whether the partition's file is of an older version and would be loaded by more libraries if written anew."""
        file = self.path(table, partition)
        if not file.exists():
            return False
        with pq.ParquetFile(readable(file)) as content:
            return is_outdated(content)


class Parts:
    """Part files of one stage in one batch, kept until the batch is written."""

    def __init__(self, lake: Lake, stage: str, batch: str, table: str) -> None:
        self.folder = lake.root / ".parts" / stage / batch
        self.table = table

    def put(self, *parts: Part) -> None:
        """Keep `parts` on disk in one file: all of them or none; put again, it is replaced."""
        about = [
            {"source": part.source, "provenance": part.provenance, "rows": part.rows.num_rows}
            | {"ledger": part.ledger, "quarantine": part.quarantine}
            for part in parts
        ]
        rows = pa.concat_tables([part.rows.replace_schema_metadata() for part in parts])
        notes = {PARTS_NOTE: json.dumps(about)}
        write_parquet([rows.replace_schema_metadata(notes)], self._file([part.source for part in parts]))

    def read(self) -> Iterator[Part]:
        """All parts on disk; what a killed run left unfinished is removed, and an older version's passed over."""
        if not self.folder.exists():
            return
        for stale in self.folder.glob(".*.tmp"):
            stale.unlink()
        for file in sorted(self.folder.glob("*.parquet")):
            content = pq.ParquetFile(readable(file)).read()
            rows, at = fitted(content, self.table, TABLES[self.table]), 0
            for about in parts_note(content.schema):
                yield Part(
                    about["source"],
                    about["provenance"],
                    rows.slice(at, about["rows"]),
                    about["ledger"],
                    about["quarantine"],
                )
                at += about["rows"]

    def clear(self) -> None:
        """Remove the parts; the batch has been written."""
        remove_tree(self.folder)

    def _file(self, sources: Sequence[str]) -> Path:
        return self.folder / f"{hashlib.sha256(json.dumps(sources).encode()).hexdigest()[:24]}.parquet"


def parts_note(schema: pa.Schema) -> list[dict[str, Any]]:
    """What a part file says of each of its recordings: source, provenance, number of rows, ledger, quarantine."""
    return json.loads((schema.metadata or {}).get(PARTS_NOTE.encode(), b"[]"))
