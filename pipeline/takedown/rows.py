"""Which rows and lines come from withdrawn audio, and Parquet files without them. Knows columns by name, not tables.

Any column `recording_id` or `<x>_recording_id`, lists `recording_ids`, and ids of spans (`<recording_id>-<ms>-<ms>`)
count, so a table that is added later is covered without being listed here.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.lake.lake import write_parquet
from pipeline.lake.rows import Row

Clip = tuple[int, str]
_SPAN = re.compile(r"(.+)-(\d{9,})-(\d{9,})", re.DOTALL)
_SLACK_SECONDS = 1e-3
_SPAN_IDS = ("segment_id", "turn_id", "transcript_id")
_FACTS = ("start", "end", "local_speaker", "seconds", "duration", "model_id")
# Rows about a file as a whole: they stand while anything of the recording does.
_ABOUT_FILES = ("recordings", "ledger", "quarantine")
_STANDING = ("tombstones", "consents", "models")
_KEPT_METADATA = ("consent_id", "licence")
_FREE = {"recording_id", "metadata"}
_AUDIO_ROW_GROUP = 100


@dataclass(frozen=True)
class Taking:
    """What goes of one recording: all of it, or the `spans` (seconds) in which a withdrawn local speaker is heard."""

    recording_id: str
    sources: tuple[str, ...] = ()
    whole: bool = True
    audio_sha256: str | None = None
    file_sha256s: tuple[str, ...] = ()
    seconds: float = 0.0
    local_speakers: tuple[str, ...] = ()
    spans: tuple[tuple[float, float], ...] = ()

    def hears(self, start: float, end: float) -> bool:
        """True if any withdrawn span reaches into this one by more than a millisecond."""
        return any(start < until - _SLACK_SECONDS and end > since + _SLACK_SECONDS for since, until in self.spans)


@dataclass
class Removed:
    """What went, or would go, of one file."""

    rows: int = 0
    seconds: float = 0.0
    by_recording: Counter[str] = field(default_factory=Counter)
    clips: list[Clip] = field(default_factory=list)
    """Length and SHA-256 of each sound that was stored in a row."""
    changed: bool = False


@dataclass(frozen=True)
class Withdrawal:
    """All takings of one takedown, and the models that learned from them."""

    takings: Mapping[str, Taking]
    tainted: frozenset[str] = frozenset()

    def of_row(self, table: str, row: Row, has_audio: bool = False) -> str | None:
        """The recording because of which this row must go, None if it may stay."""
        for name, value in row.items():
            if name.endswith("recording_id") and value in self.takings:
                if self._goes(table, row, name.removesuffix("recording_id"), self.takings[value]):
                    return str(value)
            elif name.endswith("recording_ids"):
                found = next((one for one in value or () if one in self.takings), None)
                if found:
                    return found
            elif name.endswith("segment_id") and f"{name.removesuffix('segment_id')}recording_id" not in row:
                taking, span = self._span(value)
                if taking is not None and (taking.whole or taking.hears(*span)):
                    return taking.recording_id
        if has_audio and row.get("model_id") in self.tainted:
            return str(row["model_id"])
        return None

    def in_text(self, text: str) -> bool:
        """True if a line or file name holds the id of something withdrawn; an id without a span means the whole."""
        for found in self._pattern.finditer(text) if self.takings else ():
            taking = self.takings[found[1]]
            if taking.whole or found[2] is None or taking.hears(int(found[2]) / 1000, int(found[3]) / 1000):
                return True
        return False

    def in_part(self, recording_id: Any) -> bool:
        taking = self.takings.get(recording_id)
        return taking is not None and not taking.whole

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        ids = "|".join(re.escape(name) for name in sorted(self.takings, key=len, reverse=True))
        return re.compile(rf"(?<![0-9A-Za-z])({ids})(?![0-9A-Za-z])(?:-(\d{{9,}})-(\d{{9,}}))?")

    def _goes(self, table: str, row: Row, prefix: str, taking: Taking) -> bool:
        if taking.whole:
            return True
        spans = [span for one in _SPAN_IDS for found, span in [self._span(row.get(prefix + one))] if found is taking]
        label = None if prefix else row.get("local_speaker")
        if not prefix and row.get("start") is not None and row.get("end") is not None:
            spans.append((row["start"], row["end"]))
        if label in taking.local_speakers or any(taking.hears(*span) for span in spans):
            return True
        return not spans and label is None and table not in _ABOUT_FILES

    def _span(self, value: Any) -> tuple[Taking | None, tuple[float, float]]:
        parsed = _SPAN.fullmatch(value) if isinstance(value, str) else None
        if parsed is None:
            return None, (0.0, 0.0)
        return self.takings.get(parsed[1]), (int(parsed[2]) / 1000, int(parsed[3]) / 1000)


def clean(file: Path, table: str, withdrawal: Withdrawal, apply: bool) -> Removed:
    """Take the withdrawn rows out of a Parquet file, in one step, or only look. `table` is "" outside of the lake.

    Free metadata of rows that stay of a recording withdrawn in part goes too, but for consent and licence: it may name
    who withdrew or hold what they said.
    """
    removed = Removed()
    if table in _STANDING:
        return removed
    with pq.ParquetFile(file) as source:
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
                removed.clips += _clips(source.read_row_group(group, ["audio"]), masks[-1])
            if set(schema.names) >= _FREE:
                kept = source.read_row_group(group, sorted(_FREE)).filter(pa.array(masks[-1], pa.bool_()))
                removed.changed |= kept["metadata"].to_pylist() != _stripped(kept, withdrawal)
        removed.changed |= removed.rows > 0
        if apply and removed.changed:
            write_parquet(_kept(source, masks, withdrawal), file, _AUDIO_ROW_GROUP if has_audio else 50_000)
    return removed


def _concerned(source: pq.ParquetFile, schema: pa.Schema, withdrawal: Withdrawal) -> bool:
    """Whether a look at the columns of ids finds anything: most files of a large lake need no second one."""
    ids = pa.array(sorted(withdrawal.takings), pa.string())
    names = [name for name in schema.names if name.endswith(("recording_id", "recording_ids", "segment_id"))]
    if withdrawal.tainted and "model_id" in schema.names:
        return True
    table = source.read(names)
    for name in names:
        column = table[name].combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], schema.field(name).type)
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
    ends = ("recording_id", "recording_ids", *_SPAN_IDS)
    return [name for name in schema.names if name.endswith(ends) or name in _FACTS]


def _seconds(row: Row) -> float:
    if row.get("start") is not None and row.get("end") is not None:
        return row["end"] - row["start"]
    return row.get("seconds") or row.get("duration") or 0.0


def _clips(table: pa.Table, mask: Sequence[bool]) -> Iterator[Clip]:
    gone = table.filter(pa.array([not stays for stays in mask], pa.bool_()))
    for cell in gone["audio"].to_pylist():
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if isinstance(data, bytes):
            yield len(data), hashlib.sha256(data).hexdigest()


def _kept(source: pq.ParquetFile, masks: Sequence[Sequence[bool]], withdrawal: Withdrawal) -> Iterator[pa.Table]:
    schema = source.schema_arrow
    yield schema.empty_table()
    for group, mask in enumerate(masks):
        table = source.read_row_group(group).filter(pa.array(mask, pa.bool_()))
        if set(schema.names) >= _FREE:
            column = pa.array(_stripped(table, withdrawal), schema.field("metadata").type)
            table = table.set_column(schema.names.index("metadata"), schema.field("metadata"), column)
        if table.num_rows:
            yield table.cast(schema)


def _stripped(table: pa.Table, withdrawal: Withdrawal) -> list[Any]:
    """The column `metadata` with less in the rows of recordings withdrawn in part."""
    return [
        _less(cell) if cell and withdrawal.in_part(name) else cell
        for name, cell in zip(table["recording_id"].to_pylist(), table["metadata"].to_pylist(), strict=True)
    ]


def _less(cell: Any) -> Any:
    """The pairs of a map that may stay; nothing of text or whatever else an export made of it."""
    if not isinstance(cell, list) or not all(isinstance(pair, tuple) for pair in cell):
        return None
    return [(key, value) for key, value in cell if key in _KEPT_METADATA]
