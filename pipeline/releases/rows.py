"""The rows of a release: their columns, the hash of each and of all, and the Parquet files that hold them.

A row that a takedown took out leaves its hash and the takedown's id, and nothing else: so the hash of the whole can
still be computed, and whoever was handed the release can tell which rows to delete.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lake.lake import write_parquet
from pipeline.lake.rows import Row
from pipeline.lake.storage import readable
from pipeline.lake.tables import TABLES

SEGMENTS, LEFT_OUT, CORRECTIONS = "segments.parquet", "left_out.parquet", "corrections.parquet"
_ROW_GROUP = 50_000


def _field(name: str, kind: pa.DataType, description: str, unit: str = "") -> pa.Field:
    return pa.field(name, kind, metadata={"description": description} | ({"unit": unit} if unit else {}))


_CONTENT = (
    _field("segment_id", pa.string(), "recording_id and the span in milliseconds"),
    _field("recording_id", pa.string(), "Hash of the recording's decoded audio"),
    _field("start", pa.float64(), "Start in the original recording", "s"),
    _field("end", pa.float64(), "End in the original recording", "s"),
    _field("duration", pa.float64(), "end - start", "s"),
    _field("audio_sha256", pa.string(), "SHA-256 of the segment's samples and their rate"),
    _field("sample_rate", pa.int32(), "Sample rate of the segment's audio", "Hz"),
    _field("dialect", pa.string(), "Dialect code of the registry"),
    _field("collection", pa.string(), "Collection of the recording"),
    _field("speaker_id", pa.string(), "Speaker linked across recordings"),
    _field("split", pa.string(), "train, dev or test"),
    _field("tier", pa.string(), "Grade by the policy of [score]"),
    _field("text", pa.string(), "Text with punctuation, as it was when the release was made"),
    _field("text_source", pa.string(), "Where the text is from: given, recognised, mixed or corrected"),
    _field("romanization", pa.string(), "Readings, one per character, separated by spaces"),
    _field("confidence", pa.float64(), "Calibrated share of the recognised text that is right; null: uncalibrated"),
    _field("align_score", pa.float64(), "Mean probability of the aligned characters, 0 to 1"),
    _field("dnsmos_ovrl", pa.float64(), "DNSMOS P.835 overall quality, 1 to 5"),
    _field("snr_db", pa.float64(), "Estimated signal-to-noise ratio", "dB"),
    _field("consent_id", pa.string(), "The consent that allows the publication"),
    _field("licence", pa.string(), "Licence of the recording, as its metadata say"),
)
CONTENT = tuple(field.name for field in _CONTENT)
"""Columns that count for the hash of a row."""
ROUNDED = ("confidence", "align_score", "dnsmos_ovrl", "snr_db")
"""Scores, kept to a thousandth: less differs between processors."""
SEGMENTS_SCHEMA = pa.schema(
    [
        *_CONTENT,
        _field("row_sha256", pa.string(), "SHA-256 over the columns before it"),
        _field("taken_out_by", pa.string(), "The takedown that took the row out; all but its hash is null then"),
    ],
    metadata={"description": "The segments of a release"},
)
LEFT_OUT_SCHEMA = pa.schema(
    [
        *(field for field in _CONTENT if field.name in ("segment_id", "recording_id", "start", "end", "duration")),
        _field("reason", pa.string(), "not_kept, condition, no_consent or withdrawn"),
        _field("detail", pa.string(), "Why, in words"),
    ],
    metadata={"description": "Segments of the corpus that the release leaves out, and why"},
)
CORRECTIONS_SCHEMA = TABLES["corrections"]
"""What people had corrected of the recordings of a release until it was made; kept, so that it can be made again."""
BESIDE = {LEFT_OUT: LEFT_OUT_SCHEMA, CORRECTIONS: CORRECTIONS_SCHEMA}
"""Files of a release beside its segments."""


def hashed(row: Row) -> Row:
    """A row with its hash."""
    facts = json.dumps([row[name] for name in CONTENT], ensure_ascii=False, separators=(",", ":"))
    return row | {"row_sha256": hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()}


def tombstone(row: Row, takedown_id: str) -> Row:
    """What is left of a row that was taken out."""
    return {"row_sha256": row["row_sha256"], "taken_out_by": takedown_id}


def content_sha256(rows: Iterable[Row]) -> str:
    """SHA-256 over the sorted hashes of all rows, those that were taken out among them: a takedown does not change it.

    Hashes of rows that are there are computed anew, so that an edited row shows.
    """
    hashes = (row["row_sha256"] if row.get("taken_out_by") else hashed(row)["row_sha256"] for row in rows)
    return hashlib.sha256("\n".join(sorted(map(str, hashes))).encode()).hexdigest()


def write_rows(file: Path, rows: Sequence[Row], schema: pa.Schema) -> None:
    """Replace a file by rows in their canonical order: by recording and span, those that were taken out last."""
    ordered = sorted(rows, key=_place)
    table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in ordered], schema=schema)
    write_parquet([table], file, _ROW_GROUP)


def read_rows(file: Path) -> list[Row]:
    """All rows of a file of a release. Raises OSError and pyarrow.ArrowException for one that cannot be read."""
    return pq.ParquetFile(readable(file)).read().to_pylist()


def of_segments(rows: Iterable[Row]) -> list[Row]:
    """Of a release's rows those that are there."""
    return [row for row in rows if not row["taken_out_by"]]


def _place(row: Row) -> tuple:
    if row.get("recording_id") is None:
        return 1, row.get("taken_out_by") or "", row.get("row_sha256") or "", 0.0
    return 0, row["recording_id"], row.get("segment_id") or row["correction_id"], row["start"]
