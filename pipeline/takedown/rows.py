"""Parquet files without the rows that a withdrawal takes. Which rows those are is in extents.py."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.lake.lake import AUDIO_ROW_GROUP, ROW_GROUP, write_parquet
from pipeline.lake.rows import Row
from pipeline.lake.storage import readable
from pipeline.lake.stored import as_map, as_text, stored_name
from pipeline.takedown.extents import SPAN_IDS, Withdrawal

Clip = tuple[int, str]
_FACTS = ("start", "end", "local_speaker", "seconds", "duration", "model_id")
_STAYING = ("tombstones", "consents", "models")
_KEPT_METADATA = ("consent_id", "licence")
_METADATA = ("metadata", stored_name("metadata"))
_FREE = (*_METADATA, "given", "given_from", "given_problem", "given_notes")
_IDS = ("recording_id", "recording_ids", "segment_id")


@dataclass
class Removed:
    """What went, or would go, of one file."""

    rows: int = 0
    seconds: float = 0.0
    by_recording: Counter[str] = field(default_factory=Counter)
    clips: list[Clip] = field(default_factory=list)
    """Length and SHA-256 of each sound that was stored in a row."""
    changed: bool = False


def has_ids(file: Path) -> bool:
    """Whether a Parquet file says of its rows which recording they are from."""
    with pq.ParquetFile(readable(file)) as source:
        return any(name.endswith(_IDS) for name in source.schema_arrow.names)


def clean(
    file: Path,
    table: str,
    withdrawal: Withdrawal,
    apply: bool,
    note_sound: Callable[[bytes], None] = lambda data: None,
) -> Removed:
    """Take the withdrawn rows out of a Parquet file, in one step, or only look. `table` is "" outside of the lake.

    `note_sound` is given each stored sound that goes.

    Free metadata of rows that stay of a recording withdrawn in part goes too, but for consent and licence, and so does
    the transcript that came with it: they may name who withdrew or hold what they said.
    """
    removed = Removed()
    if table in _STAYING:
        return removed
    with pq.ParquetFile(readable(file)) as source:
        schema = source.schema_arrow
        if not _concerned(source, schema, withdrawal):
            return removed
        masks = []
        has_audio = "audio" in schema.names
        for group in range(source.num_row_groups):
            rows = source.read_row_group(group, _keys(schema)).to_pylist()
            whys = [withdrawal.of_row(table, row, has_audio) for row in rows]
            for row, why in zip(rows, whys, strict=True):
                if why is not None:
                    removed.rows += 1
                    removed.seconds += _seconds(row)
                    removed.by_recording[why] += 1
            masks.append([why is None for why in whys])
            if has_audio and not all(masks[-1]):
                for data in _sounds(source.read_row_group(group, ["audio"]), masks[-1]):
                    removed.clips.append((len(data), hashlib.sha256(data).hexdigest()))
                    note_sound(data)
            for name in _free(schema):
                kept = source.read_row_group(group, ["recording_id", name]).filter(pa.array(masks[-1], pa.bool_()))
                removed.changed |= kept[name].to_pylist() != _stripped(kept, name, withdrawal)
        removed.changed |= removed.rows > 0
        if apply and removed.changed:
            write_parquet(_kept(source, masks, withdrawal), file, AUDIO_ROW_GROUP if has_audio else ROW_GROUP)
    return removed


def _concerned(source: pq.ParquetFile, schema: pa.Schema, withdrawal: Withdrawal) -> bool:
    """Whether a look at the columns of ids finds anything: most files of a large lake need no second one."""
    ids = pa.array(sorted(withdrawal.extents), pa.string())
    names = [name for name in schema.names if name.endswith(_IDS)]
    if withdrawal.tainted and "model_id" in schema.names:
        return True
    for name, column in ((name, each[name]) for each in source.iter_batches(columns=names) for name in names):
        if name.endswith("segment_id"):
            text = column.cast(pa.string())
            column = pc.replace_substring_regex(text, r"-\d{9,}-\d{9,}$", "")  # type: ignore[attr-defined]
        elif name.endswith("recording_ids"):
            column = pc.list_flatten(column)  # type: ignore[attr-defined]
        # Whoever wrote the file may have chosen dictionaries or large strings.
        if pc.any(pc.is_in(column.cast(pa.string()), value_set=ids)).as_py():  # type: ignore[attr-defined]
            return True
    return False


def _keys(schema: pa.Schema) -> list[str]:
    ends = ("recording_id", "recording_ids", *SPAN_IDS)
    return [name for name in schema.names if name.endswith(ends) or name in _FACTS]


def _seconds(row: Row) -> float:
    if row.get("start") is not None and row.get("end") is not None:
        return row["end"] - row["start"]
    return row.get("seconds") or row.get("duration") or 0.0


def _sounds(table: pa.Table, mask: Sequence[bool]) -> Iterator[bytes]:
    gone = table.filter(pa.array([not stays for stays in mask], pa.bool_()))
    for cell in gone["audio"].to_pylist():
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if isinstance(data, bytes):
            yield data


def _kept(source: pq.ParquetFile, masks: Sequence[Sequence[bool]], withdrawal: Withdrawal) -> Iterator[pa.Table]:
    schema = source.schema_arrow
    yield schema.empty_table()
    for group, mask in enumerate(masks):
        table = source.read_row_group(group).filter(pa.array(mask, pa.bool_()))
        for name in _free(schema):
            column = pa.array(_stripped(table, name, withdrawal), schema.field(name).type)
            table = table.set_column(schema.names.index(name), schema.field(name), column)
        if table.num_rows:
            yield table.cast(schema)


def _free(schema: pa.Schema) -> list[str]:
    """Columns of what people wrote about a whole recording, in a table that says which one."""
    return [name for name in _FREE if name in schema.names] if "recording_id" in schema.names else []


def _stripped(table: pa.Table, column: str, withdrawal: Withdrawal) -> list[Any]:
    """A free column with less in the rows of recordings withdrawn in part: nothing of the transcript stays."""
    return [
        (_less(cell) if column in _METADATA else None) if cell and withdrawal.in_part(name) else cell
        for name, cell in zip(table["recording_id"].to_pylist(), table[column].to_pylist(), strict=True)
    ]


def _less(cell: Any) -> Any:
    """The pairs of a map that may stay, or of the JSON object that it is in a file; nothing of whatever else it is."""
    if isinstance(cell, str):
        pairs = as_map(cell)
        return None if pairs is None else as_text({key: pairs[key] for key in pairs if key in _KEPT_METADATA})
    if not isinstance(cell, list) or not all(isinstance(pair, tuple) for pair in cell):
        return None
    return [(key, value) for key, value in cell if key in _KEPT_METADATA]
