"""The lake: one Parquet file per (table, partition), replaced atomically, and the part files of a running batch.

A part file holds what one recording gave in one stage; its ledger and quarantine rows ride in the schema metadata, so
that a part is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.stage import Row
from pipeline.tables import TABLES

_AUDIO_ROW_GROUP = 100
_ROW_GROUP = 50_000


class RowsDoNotFit(Exception):
    """Rows do not have the columns or types of their table; the message names table and column."""


def to_table(name: str, rows: Sequence[Row]) -> pa.Table:
    """Rows as an Arrow table with the schema of table `name`; a missing column becomes null. Raises RowsDoNotFit."""
    schema = TABLES[name]
    surplus = sorted({key for row in rows for key in row} - set(schema.names))
    if surplus:
        raise RowsDoNotFit(f"table {name}: unknown columns {', '.join(surplus)}")
    columns = []
    for field in schema:
        try:
            column = pa.array([row.get(field.name) for row in rows], type=field.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
            raise RowsDoNotFit(f"table {name}, column {field.name}: {error}") from error
        if column.null_count and not field.nullable:
            raise RowsDoNotFit(f"table {name}, column {field.name}: null is not allowed")
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def to_rows(table: pa.Table) -> list[Row]:
    """A table's rows as dictionaries, its map columns as dictionaries too."""
    maps = [field.name for field in table.schema if pa.types.is_map(field.type)]
    rows = table.to_pylist()
    for row in rows:
        for name in maps:
            row[name] = dict(row[name] or ())
    return rows


def write_parquet(chunks: Iterable[pa.Table], file: Path, row_group: int = _ROW_GROUP) -> None:
    """Write `chunks`, which share a schema, to a temporary name in the same folder, flush, then replace `file`.

    Each chunk becomes row groups of its own, so memory holds one chunk at a time.
    """

    def write(temporary: Path) -> None:
        iterator = iter(chunks)
        first = next(iterator)
        with temporary.open("wb") as sink:
            with pq.ParquetWriter(sink, first.schema, compression="zstd") as writer:
                writer.write_table(first, row_group)
                for chunk in iterator:
                    writer.write_table(chunk, row_group)
            sink.flush()
            os.fsync(sink.fileno())

    replace_file(file, write)


def replace_file(file: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `file`, then put it in place in one step; leaves nothing on failure."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for stale in file.parent.glob(f".{_escape_glob(file.name)}.*.tmp"):
        stale.unlink(missing_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def replace_bytes(file: Path, content: bytes) -> None:
    """Put `content` in place of `file` in one step, on disk when this returns."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())

    replace_file(file, write)


def _escape_glob(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


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
        self.root = Path(root)

    def path(self, table: str, partition: str) -> Path:
        """The file of a partition, whether it exists or not."""
        return self.root / table / f"{partition}.parquet"

    def partitions(self, table: str) -> list[str]:
        """Names of the partitions that have a file, sorted."""
        return sorted(file.stem for file in (self.root / table).glob("*.parquet") if not file.name.startswith("."))

    def read(self, table: str, partition: str | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """One partition, or all of them one after another; an empty table with the right schema where there is none."""
        schema = TABLES[table] if columns is None else pa.schema([TABLES[table].field(name) for name in columns])
        names = self.partitions(table) if partition is None else [partition]
        files = [file for name in names if (file := self.path(table, name)).exists()]
        read = [pq.ParquetFile(file).read(columns=list(columns) if columns else None).cast(schema) for file in files]
        return pa.concat_tables(read) if read else schema.empty_table()

    def rows(self, table: str, partition: str | None = None, columns: Sequence[str] | None = None) -> list[Row]:
        """`read` as dictionaries; a map column becomes a dictionary too."""
        return to_rows(self.read(table, partition, columns))

    def of_recording(self, table: str, partition: str, recording_id: str) -> pa.Table:
        """The rows of one recording; only its row groups are read."""
        file = self.path(table, partition)
        if not file.exists():
            return TABLES[table].empty_table()
        return pq.read_table(file, filters=[("recording_id", "=", recording_id)]).cast(TABLES[table])

    def write(self, table: str, partition: str, content: Iterable[pa.Table] | Sequence[Row]) -> None:
        """Replace a partition by rows, or by chunks that have the table's schema (held in memory one at a time)."""
        if isinstance(content, Sequence):
            content = [to_table(table, content)]
        row_group = _AUDIO_ROW_GROUP if "audio" in TABLES[table].names else _ROW_GROUP
        write_parquet(content, self.path(table, partition), row_group)

    def remove(self, table: str, partition: str) -> None:
        self.path(table, partition).unlink(missing_ok=True)


class Parts:
    """Part files of one stage in one batch, kept until the batch is written."""

    def __init__(self, lake: Lake, stage: str, batch: str, table: str) -> None:
        self.folder = lake.root / ".parts" / stage / batch
        self.table = table

    def put(self, part: Part) -> None:
        """Keep `part` on disk, replacing an older one of the same source."""
        notes = {"source": part.source, "provenance": part.provenance}
        notes |= {"ledger": json.dumps(part.ledger), "quarantine": json.dumps(part.quarantine)}
        write_parquet([part.rows.replace_schema_metadata(notes)], self._file(part.source))

    def read(self) -> Iterator[Part]:
        """All parts on disk; what a killed run left unfinished is removed."""
        if not self.folder.exists():
            return
        for stale in self.folder.glob(".*.tmp"):
            stale.unlink()
        for file in sorted(self.folder.glob("*.parquet")):
            table = pq.ParquetFile(file).read()
            notes = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
            ledger, quarantine = json.loads(notes["ledger"]), json.loads(notes["quarantine"])
            yield Part(notes["source"], notes["provenance"], table.cast(TABLES[self.table]), ledger, quarantine)

    def clear(self) -> None:
        """Remove the parts; the batch has been written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, source: str) -> Path:
        return self.folder / f"{hashlib.sha256(source.encode(errors='surrogateescape')).hexdigest()[:24]}.parquet"
