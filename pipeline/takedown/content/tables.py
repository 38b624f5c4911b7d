"""Parquet and Arrow files of whoever wrote them: rows go by the words and the sound in their cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lake.files import replace_file
from pipeline.lake.lake import write_parquet
from pipeline.takedown.content.kinds import HEAD, kind_of
from pipeline.takedown.content.outcome import Outcome, Unsearchable
from pipeline.takedown.content.terms import Terms

Sound = Callable[[bytes], bool]
_ROWS = 1_000


def search(file: BinaryIO, terms: Terms, is_withdrawn: Sound) -> Outcome | None:
    """How many rows of a table are withdrawn. Raises Unsearchable."""
    try:
        gone = sum(mask.count(False) for _, mask in _judged(file, terms, is_withdrawn))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Unsearchable(f"cannot be read as Parquet or Arrow: {str(error)[:200]}") from None
    return Outcome("rows", gone) if gone else None


def remove(file: Path, terms: Terms, is_withdrawn: Sound) -> None:
    """Take the withdrawn rows out of a table, in one step."""
    with file.open("rb") as source:
        if _is_parquet(source):
            schema = pq.ParquetFile(source).schema_arrow
            write_parquet(chain([schema.empty_table()], _kept(source, terms, is_withdrawn)), file)
            return
        is_stream = source.read(6) != b"ARROW1"
        source.seek(0)
        opened = pa.ipc.open_stream(source) if is_stream else pa.ipc.open_file(source)
        schema = opened.schema

        def write(temporary: Path) -> None:
            new = pa.ipc.new_stream if is_stream else pa.ipc.new_file
            with new(str(temporary), schema) as sink:
                for table in _kept(source, terms, is_withdrawn):
                    sink.write_table(table)

        replace_file(file, write)


def _kept(file: BinaryIO, terms: Terms, is_withdrawn: Sound) -> Iterator[pa.Table]:
    for batch, mask in _judged(file, terms, is_withdrawn):
        table = pa.Table.from_batches([batch]).filter(pa.array(mask, pa.bool_()))
        if table.num_rows:
            yield table


def _judged(file: BinaryIO, terms: Terms, is_withdrawn: Sound) -> Iterator[tuple[pa.RecordBatch, list[bool]]]:
    """Batches, and for each of their rows whether it stays."""
    for batch in _batches(file):
        rows = batch.to_pylist()
        values: list[str] = []
        sounds: list[bytes] = []
        _collect(rows, values, sounds)
        if not sounds and not terms.may_be_in("\n".join(values)):
            yield batch, [True] * len(rows)
            continue
        yield batch, [judge(row, terms, is_withdrawn) != "holds" for row in rows]


def judge(row: Any, terms: Terms, is_withdrawn: Sound) -> str | None:
    """`holds` if the row, a dictionary or a list of cells, is withdrawn."""
    if isinstance(row, dict) and (goes := terms.by_ids(row)) is not None:
        return "holds" if goes else None
    values, sounds = [], []
    _collect(row, values, sounds)
    return "holds" if any(map(is_withdrawn, sounds)) else terms.in_record(values, "\n".join(values))


def _collect(value: Any, values: list[str], sounds: list[bytes]) -> None:
    if isinstance(value, str):
        values.append(value)
    elif isinstance(value, bytes):
        sounds.append(value)
    elif isinstance(value, dict):
        for one in value.values():
            _collect(one, values, sounds)
    elif isinstance(value, list | tuple):
        for one in value:
            _collect(one, values, sounds)


def _batches(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    if _is_parquet(file):
        yield from pq.ParquetFile(file).iter_batches(_ROWS)
        return
    head = file.read(6)
    file.seek(0)
    if head == b"ARROW1":
        opened = pa.ipc.open_file(file)
        parts = (opened.get_batch(number) for number in range(opened.num_record_batches))
    else:
        parts = iter(pa.ipc.open_stream(file))
    for part in parts:
        yield from (part.slice(at, _ROWS) for at in range(0, part.num_rows, _ROWS))


def _is_parquet(file: BinaryIO) -> bool:
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    return kind_of(head) == "parquet"
