"""One metadata.csv or metadata.jsonl as rows of text: its encoding, its separator, and what in it cannot be read.

Knows nothing of the files that the rows are about.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from pipeline.text.strict_json import parse_object, text_flaw

NAME_COLUMN = "file_name"
LONGEST_VALUE = 131_072
_READ_COLUMNS = (NAME_COLUMN, "consent_id", "speaker", "transcript")
_BOMS = {BOM_UTF8: "utf-8", BOM_UTF32_LE: "utf-32", BOM_UTF32_BE: "utf-32", BOM_UTF16_LE: "utf-16"}
_BOMS |= {BOM_UTF16_BE: "utf-16"}
_SEPARATORS = ",;\t|"
_AGREEMENT = re.compile("consent|同意|授权|授權")
_DAY = re.compile("date|day|time|year|from|until|日|时间|時間|年")
_NAME_IN_JSON = re.compile(rf'"{NAME_COLUMN}"\s*:\s*("(?:[^"\\]|\\.)*")')
_UTF8_HANZI = re.compile(rb"[\xe3-\xe9][\x80-\xbf][\x80-\xbf]")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_NAMELESS = f"needs {NAME_COLUMN}, a path below its folder"
_NOT_UTF8 = "is not UTF-8; save the file as UTF-8"


@dataclass(frozen=True)
class MetadataRow:
    """One row. `name` is the file_name as written, None if it cannot be told; `mentions` may be names of files too.

    With a `problem`, the end of a sentence that begins with the place, its columns must not be used, and the name may
    be another value unless `name_is_sure`. A row with neither a name nor a problem is a comment.
    """

    line: int
    name: str | None
    columns: dict[str, str] = field(default_factory=dict)
    problem: str | None = None
    mentions: tuple[str, ...] = ()
    name_is_sure: bool = True


@dataclass
class MetadataTable:
    """The rows of a file; `problem` (line, words) says why rows from there on, or all, cannot be read.

    `notes` (line, words) are no problem. `guessed` is true if nothing in the file says which encoding it has.
    """

    rows: list[MetadataRow] = field(default_factory=list)
    problem: tuple[int, str] | None = None
    notes: list[tuple[int, str]] = field(default_factory=list)
    guessed: bool = False


def read_table(content: bytes, is_csv: bool) -> MetadataTable:
    """The rows of a file's bytes. Never raises for what they hold."""
    table = MetadataTable()
    text = _decode(content, table)
    if text is not None:
        (_read_csv if is_csv else _read_json)(text, table)
    return table


def _decode(content: bytes, table: MetadataTable) -> str | None:
    """The text; bytes that are no characters stay in it as half surrogate pairs, so that their rows are refused."""
    bom = next((bom for bom in _BOMS if content.startswith(bom)), b"")
    encoding = _BOMS.get(bom, "utf-8")
    try:
        text = content.removeprefix(BOM_UTF8).decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            table.problem = 1, f"is not the {encoding.upper()} that it begins as; save it as UTF-8"
            return None
        return _guess(content.removeprefix(BOM_UTF8), table)
    if encoding != "utf-8":
        table.notes.append((1, f"is read as {encoding.upper()}; better save it as UTF-8"))
    return text


def _guess(content: bytes, table: MetadataTable) -> str:
    """What is not UTF-8: text with broken characters, or a table that a Chinese spreadsheet program saved as GBK."""
    if not _UTF8_HANZI.search(content):
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError:
            text = ""
        if text and _is_chinese(text):
            table.guessed = True
            table.notes.append((1, "is read as GB18030 (GBK), which looks right; look at it and save it as UTF-8"))
            return text
    return content.decode("utf-8", "surrogateescape")


def _is_chinese(text: str) -> bool:
    """Four in five of its letters beyond ASCII are common hanzi: other encodings read as GB18030 give rare ones."""
    others = [letter for letter in text if not letter.isascii()]
    common = 0
    for letter in others:
        punctuation = "\u3000" <= letter <= "\u303f" or "\uff00" <= letter <= "\uffef"
        if punctuation or ("\u4e00" <= letter <= "\u9fff" and letter.encode("gb2312", "ignore")):
            common += 1
    return bool(others) and common >= 0.8 * len(others)


def _read_csv(text: str, table: MetadataTable) -> None:
    if not text.strip():
        table.notes.append((1, "is empty"))
        return
    # The library's own bound would end the reading of the whole file at one long field.
    csv.field_size_limit(max(LONGEST_VALUE, len(text) + 1, csv.field_size_limit()))
    found = _header(text)
    if isinstance(found, str):
        table.problem = 1, found
        return
    reader, header, separator = found
    if separator != ",":
        table.notes.append((reader.line_num, f"is read with {separator!r} between its columns"))
    keys = [column_name(name) for name in header]
    twice = next((key for key in _READ_COLUMNS if keys.count(key) > 1), None)
    if twice:
        table.problem = reader.line_num, f"has the column {twice} twice"
        return
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                table.rows.append(_csv_row(reader.line_num, keys, cells, table))
    except csv.Error as error:
        table.problem = reader.line_num, f"is not CSV from here on: {error}"


def _header(text: str) -> tuple[Any, list[str], str] | str:
    """The reader behind the row of column names, these, and the separator; or what is wrong."""
    first: list[str] = []
    for separator in _SEPARATORS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        try:
            # Blank lines, comments and the separator that Excel writes may stand before it.
            header = next((row for row in reader if not _says_nothing(row)), [])
        except csv.Error as error:
            first = first or [f"not CSV: {error}"]
            continue
        if NAME_COLUMN in map(column_name, header):
            several = any("\n" in name for name in header)
            return "has a column name of several lines; close its quote" if several else (reader, header, separator)
        first = first or header
    return f"has no column {NAME_COLUMN}; its columns are {', '.join(first) or 'none'}"


def _says_nothing(cells: list[str]) -> bool:
    start = next((cell.strip() for cell in cells if cell.strip()), "")
    return not start or (start.startswith("#") and NAME_COLUMN not in map(column_name, cells)) or start[:4] == "sep="


def _csv_row(line: int, keys: list[str], cells: list[str], table: MetadataTable) -> MetadataRow:
    while len(cells) > len(keys) and not cells[-1].strip():
        cells.pop()
    place = keys.index(NAME_COLUMN)
    if len(cells) != len(keys):
        # Of a row with a column too many or too few only what stands before the gap is where it should be.
        name = cells[0] if place == 0 else None
        if name is not None and name.lstrip().startswith("#"):
            table.notes.append((line, "is taken for a comment, which CSV does not have; delete it"))
            return MetadataRow(line, None, mentions=(name,))
        words = f"has not the {len(keys)} columns of the header; quote values with commas"
        return MetadataRow(line, name, problem=words, mentions=_swallowed(cells), name_is_sure=False)
    if not cells[place].strip():
        return MetadataRow(line, None, problem=_NAMELESS, mentions=_swallowed(cells))
    columns = {key: cell for key, cell in zip(keys, cells, strict=True) if cell and key != NAME_COLUMN}
    return MetadataRow(line, cells[place], columns, _flaw(cells[place], columns), _swallowed(cells))


def _swallowed(cells: list[str]) -> tuple[str, ...]:
    """What may be names of files in values of several lines: a quote that is not closed takes rows into its value."""
    return tuple(word for cell in cells if "\n" in cell for word in re.split(r'[\r\n,;\t|"]+', cell) if word.strip())


def _read_json(text: str, table: MetadataTable) -> None:
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            table.rows.append(_json_row(line, content))


def _json_row(line: int, content: str) -> MetadataRow:
    try:
        values = parse_object(content)
    except ValueError as error:
        wrong = _NOT_UTF8 if _HALF_PAIR.search(content) else str(error)
        name, is_sure = _name_in(content)
        return MetadataRow(line, name, problem=wrong, name_is_sure=is_sure)
    named = {column_name(key): value for key, value in values.items()}
    name = named.pop(NAME_COLUMN, None)
    name = name if isinstance(name, str) else None
    if len(named) + (NAME_COLUMN in map(column_name, values)) < len(values):
        return MetadataRow(line, name, problem="has a key twice, with and without capitals or blanks")
    if name is None or not name.strip():
        return MetadataRow(line, None, problem=_NAMELESS)
    try:
        columns = {key: _text(value) for key, value in named.items() if value not in (None, "")}
    except (RecursionError, ValueError) as error:
        return MetadataRow(line, name, problem=f"cannot be kept as text: {error}")
    return MetadataRow(line, name, columns, _flaw(name, columns))


def _name_in(content: str) -> tuple[str | None, bool]:
    """The file_name of a line that is refused, and whether it is the only one in a line that is JSON at all."""
    found = _NAME_IN_JSON.findall(content)
    try:
        name = json.loads(found[0]) if len(found) == 1 else None
    except ValueError:
        return None, False
    try:
        return name, isinstance(json.loads(content), dict)
    except (ValueError, RecursionError):
        return name, False


def _flaw(name: str, columns: dict[str, str]) -> str | None:
    """Why a row must not be used: text that cannot be kept, or a column that may name a consent and is not read."""
    for key, value in [(NAME_COLUMN, name), *columns.items()]:
        wrong = text_flaw(key) or text_flaw(value)
        if wrong:
            return _NOT_UTF8 if _HALF_PAIR.search(key + value) else f"has {wrong} in {json.dumps(key)}"
        if len(value) > LONGEST_VALUE:
            return f"has {len(value)} characters in {key}, more than {LONGEST_VALUE}"
        if value.strip() and _may_name_a_consent(key, bool(columns.get("consent_id", "").strip())):
            return f"has a column {key!r}, which is not read: call it consent_id, or otherwise if it names no consent"
    return None


def column_name(name: str) -> str:
    """A column's name as it is kept: without blanks around it; those that are read, in small letters."""
    plain = name.strip().strip("\ufeff\u200b").strip()
    folded = unicodedata.normalize("NFKC", plain).casefold()
    return folded if folded in _READ_COLUMNS else plain


def _may_name_a_consent(key: str, another_does: bool) -> bool:
    """Whether a column that is not read looks like consent_id; where that is given, a likeness is not enough."""
    letters = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", key).casefold()))
    if key == "consent_id" or another_does:
        return key != "consent_id" and letters == "consentid"
    if _AGREEMENT.search(letters):
        return not _DAY.search(letters)
    return SequenceMatcher(None, letters, "consentid").ratio() > 0.8 and not letters.startswith("content")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
