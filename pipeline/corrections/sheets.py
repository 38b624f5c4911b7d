"""Corrections as CSV, which people edit in a spreadsheet, and as JSON Lines, both ways."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipeline.corrections.correction import Correction, CorrectionFlawed
from pipeline.exchange.encoding import decode
from pipeline.exchange.given import TranscriptError
from pipeline.lake.files import replace_bytes
from pipeline.text.printable import formula_defused
from pipeline.text.strict_json import parse_object

COLUMNS = tuple(one.name for one in fields(Correction))
_NEEDED = ("field", "new")


class SheetError(Exception):
    """A file of corrections cannot be read; the message says which file and line, what is wrong and what to do."""


def write_csv(rows: Sequence[Correction], file: Path) -> None:
    """A sheet with a header; a text that a spreadsheet would compute gets an apostrophe, which `read` takes off."""
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = _plain(row)
        writer.writerow([_cell(values[name]) for name in COLUMNS])
    # The mark tells spreadsheets that it is UTF-8.
    replace_bytes(file, sheet.getvalue().encode("utf-8-sig"))


def write_jsonl(rows: Sequence[Correction], file: Path) -> None:
    """An object a line, texts exactly as they are."""
    lines = (json.dumps(_plain(row), ensure_ascii=False) + "\n" for row in rows)
    replace_bytes(file, "".join(lines).encode())


def read(file: Path, who: str = "") -> list[Correction]:
    """The corrections of a file by its ending, .csv or .jsonl. Raises SheetError.

    Needed are `field`, `new`, and `recording_id`, `start` and `end`, or `segment_id` instead of these. What is left out
    is made up: an id, now, and `who`.
    """
    csv_file = file.suffix.lower() == ".csv"
    try:
        text, _ = decode(file.read_bytes())
        found = list(_of_csv(text) if csv_file else _of_jsonl(text))
    except (OSError, TranscriptError, ValueError, csv.Error) as error:
        raise SheetError(f"{file}: {error}") from None
    rows, now = [], datetime.now(UTC)
    for number, values in found:
        try:
            # A later line is a later word.
            rows.append(_correction(values, who, now + timedelta(microseconds=len(rows))))
        except (CorrectionFlawed, ValueError, TypeError) as error:
            raise SheetError(f"{file}, line {number}: {error}; nothing of the file was added") from None
    return rows


def _of_csv(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    _check_columns(reader.fieldnames or ())
    for values in reader:
        if None in values:
            raise ValueError(f"line {reader.line_num} has more cells than the header")
        cells = {name: _uncell(value) for name, value in values.items() if value not in (None, "")}
        if cells:
            yield reader.line_num, cells


def _of_jsonl(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                values = parse_object(line)
            except ValueError as error:
                raise ValueError(f"line {number} {error}") from None
            yield number, {name: value for name, value in values.items() if value is not None}


def _check_columns(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in (*COLUMNS, "segment_id")]
    lacking = [name for name in _NEEDED if name not in names]
    if unknown or lacking:
        words = f"has no column {', '.join(lacking)}" if lacking else f"has unknown columns {', '.join(unknown)}"
        raise ValueError(f"{words}; there are {', '.join((*COLUMNS, 'segment_id'))}")


def _correction(values: Mapping[str, Any], who: str, now: datetime) -> Correction:
    known = dict(values)
    if segment_id := known.pop("segment_id", None):
        parts = str(segment_id).rsplit("-", 2)
        if len(parts) != 3 or not (parts[1].isdigit() and parts[2].isdigit()):
            raise ValueError(f"segment_id {segment_id!r} is none; it ends in two times in milliseconds")
        span = {"recording_id": parts[0], "start": int(parts[1]) / 1000, "end": int(parts[2]) / 1000}
        known = span | known
    unknown = sorted(set(known) - set(COLUMNS))
    if unknown:
        raise ValueError(f"has unknown keys {', '.join(unknown)}; there are {', '.join((*COLUMNS, 'segment_id'))}")
    lacking = [name for name in ("recording_id", "start", "end", *_NEEDED) if name not in known]
    if "takes_back" in known:
        lacking = [name for name in lacking if name != "new"]
    if lacking:
        raise ValueError(f"has no {', '.join(lacking)}")
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"correction_id": uuid4().hex, "at": now, "who": who} | known
    for name in ("start", "end", "listened_s"):
        row[name] = None if row[name] is None else float(row[name])
    if not isinstance(row["at"], datetime):
        row["at"] = datetime.fromisoformat(str(row["at"]))
    for name in set(COLUMNS) - {"at", "start", "end", "listened_s"}:
        row[name] = None if row[name] is None else str(row[name])
    if not row["who"]:
        raise ValueError("has no who; give --who NAME")
    return Correction(**row)


def _plain(row: Correction) -> dict[str, Any]:
    return row.to_row() | {"at": row.at.astimezone(UTC).isoformat()}


def _cell(value: Any) -> Any:
    """Also an apostrophe that is there already gets one, so that each is taken off again."""
    if not isinstance(value, str):
        return value
    return f"'{value}" if value.startswith("'") else formula_defused(value)


def _uncell(text: str) -> str:
    rest = text[1:]
    return rest if text.startswith("'") and (rest.startswith("'") or formula_defused(rest) != rest) else text
