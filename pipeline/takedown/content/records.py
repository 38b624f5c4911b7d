"""Text cut into records: elements of a JSON list, JSON lines, rows of a table, lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_DELIMITERS = ("\t", "|", ",", ";")


@dataclass(frozen=True)
class Record:
    """The values of a record, and its text as it stands in the file, line end included."""

    values: list[str]
    text: str


def records(text: str) -> tuple[list[Record], bool]:
    """The records of a text, and whether they are the elements of one JSON list (see `joined`)."""
    if text.lstrip("\ufeff \t\r\n").startswith("[") and (elements := _elements(text)) is not None:
        return elements, True
    delimiter = _delimiter(text)
    if delimiter is None and _is_columns(text):
        return [Record(line.split(), line) for line in text.splitlines(keepends=True)], False
    if delimiter is None:
        return [Record(_values(line), line) for line in text.splitlines(keepends=True)], False
    return list(_rows(text, delimiter)), False


def joined(kept: list[Record], is_list: bool) -> str:
    """Records as the text of a file."""
    if is_list:
        return "[\n" + ",\n".join(record.text for record in kept) + "\n]\n"
    return "".join(record.text for record in kept)


def _rows(text: str, delimiter: str) -> Iterator[Record]:
    lines = io.StringIO(text, newline="").readlines()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    done = 0
    try:
        for row in reader:
            yield Record(row, "".join(lines[done : reader.line_num]))
            done = reader.line_num
    except csv.Error:
        # No table from here on: line by line.
        yield from (Record([one.strip() for one in line.split(delimiter)], line) for line in lines[done:])


def _delimiter(text: str) -> str | None:
    """What separates the columns of the first line; None if it is no table."""
    first = next((line for line in text.removeprefix("\ufeff").splitlines() if line.strip()), "")
    if first.lstrip().startswith("{"):
        return None
    delimiter = max(_DELIMITERS, key=first.count)
    return delimiter if delimiter in first else None


def _is_columns(text: str) -> bool:
    """True for columns with blanks between them, as RTTM, CTM and Kaldi's lists have: as many on each line."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    return len(lines) > 1 and len(lines[0]) > 1 and len({len(line) for line in lines}) == 1


def _elements(text: str) -> list[Record] | None:
    try:
        values = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list):
        return None
    return [Record(list(_strings(one)), json.dumps(one, ensure_ascii=False)) for one in values]


def is_one_object(text: str) -> bool:
    """True for one JSON object over several lines, of which no line can go."""
    start = text.lstrip("\ufeff \t\r\n")
    return start.startswith("{") and _parsed(start.partition("\n")[0]) is None


def _values(line: str) -> list[str]:
    value = _parsed(line.removeprefix("\ufeff")) if line.lstrip("\ufeff ").startswith(("{", "[")) else None
    return [line.strip()] if value is None else list(_strings(value))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _strings(one)
