"""The landing zone as it lies on disk: `<dialect>/<collection>/**` with metadata beside the files, and what is wrong.

Reads names, sizes, times and metadata; never the audio.
"""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.rights.consents import CONSENTS_FILE, read_consents
from pipeline.side_files import is_side_file
from pipeline.text import dialects

METADATA_FILES = ("metadata.csv", "metadata.jsonl")
_NAME_COLUMN = "file_name"


@dataclass(frozen=True)
class LandedFile:
    """A file below landing. `written` and `arrived` are epoch seconds: last modified, and put under this name."""

    source: str
    bytes: int
    mtime_ns: int
    dialect: str
    collection: str
    written: float
    arrived: float

    def age(self, now: float) -> float:
        """Seconds since it was last written; a time in the future is a wrong clock, then since it arrived."""
        return now - (self.written if self.written <= now else self.arrived)


@dataclass(frozen=True)
class Problem:
    """What keeps a file, or a line of metadata, from being used: `reason` a short code, `message` what to do."""

    source: str
    reason: str
    message: str


@dataclass
class Scan:
    """Files that a batch may take, in order of source, and what is wrong with the rest."""

    files: list[LandedFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def scan(landing: Path, with_metadata: bool = False) -> Scan:
    """Look through the landing zone. Hidden and side files, metadata and consents are no recordings and passed over.

    `with_metadata` looks for problems in metadata and consents too.
    """
    found = Scan()
    consents, complaints = read_consents(landing / CONSENTS_FILE)
    evidence = {consent.evidence for consent in consents}
    root = landing.resolve()
    for source, entry in _walk(landing, "", root, found.problems):
        if source in evidence or entry.name in METADATA_FILES or source == CONSENTS_FILE:
            continue
        if is_side_file(entry.name):
            continue
        landed = _judge(source, entry)
        if isinstance(landed, Problem):
            found.problems.append(landed)
        else:
            found.files.append(landed)
    found.files.sort(key=lambda file: file.source)
    if with_metadata:
        found.problems += [Problem(CONSENTS_FILE, "bad_consent", message) for message in complaints]
        found.problems += Metadata(landing).check(file.source for file in found.files)
    return found


def _walk(landing: Path, below: str, root: Path, problems: list[Problem]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every visible file below landing by source; folders that cannot or must not be entered become problems."""
    try:
        entries = sorted(os.scandir(landing / below), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        problems.append(Problem(_shown(below or "."), "unreadable", f"cannot be listed: {error.strerror}"))
        return
    for entry in entries:
        source = f"{below}/{entry.name}" if below else entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_symlink():
            target = Path(os.path.realpath(entry.path))
            if not target.is_relative_to(root):
                words = f"is a link to {target}, outside of the landing folder; copy what it links to"
                problems.append(Problem(_shown(source), "link_outside", words))
                continue
            if target.is_dir():
                words = "is a link to a folder, which is not followed; its files are taken where they lie"
                problems.append(Problem(_shown(source), "link_to_folder", words))
                continue
        if os.path.isdir(entry.path):
            yield from _walk(landing, source, root, problems)
        else:
            yield source, entry


def _judge(source: str, entry: os.DirEntry[str]) -> LandedFile | Problem:
    """A file that a batch may take, or why not."""
    shown = _shown(source)
    if shown != source:
        return Problem(shown, "bad_name", "its name or its folder's name is not UTF-8; rename it")
    try:
        about = entry.stat()
    except OSError as error:
        return Problem(source, "unreadable", f"cannot be looked at: {error.strerror}")
    if not stat.S_ISREG(about.st_mode):
        return Problem(source, "not_a_file", "is no ordinary file; remove it")
    parts = source.split("/")
    if len(parts) < 3:
        return Problem(source, "misplaced", "lies outside of <dialect>/<collection>/; move it into such a folder")
    try:
        dialect = dialects.get(parts[0]).code
    except dialects.UnknownDialectError as error:
        return Problem(source, "unknown_dialect", f"its first folder is no dialect: {error}; rename the folder")
    return LandedFile(
        source=source,
        bytes=about.st_size,
        mtime_ns=about.st_mtime_ns,
        dialect=dialect,
        collection=parts[1],
        written=about.st_mtime,
        arrived=about.st_ctime,
    )


def _shown(source: str) -> str:
    """A source that can be printed and stored: bytes that are not UTF-8 become question marks."""
    return os.fsencode(source).decode("utf-8", "replace")


class Metadata:
    """Free columns of files, from metadata.csv or metadata.jsonl in their folder or one above; the nearest one wins."""

    def __init__(self, landing: Path) -> None:
        self._landing = landing
        self._folders: dict[str, dict[str, dict[str, str]]] = {}
        self._problems: list[Problem] = []
        self._named: dict[str, str] = {}

    def of(self, source: str) -> dict[str, str]:
        """The columns of one file as text, without its name and without empty ones."""
        columns: dict[str, str] = {}
        folders = [str(folder) for folder in PurePosixPath(source).parents]
        for folder in reversed(folders):
            columns |= self._folder(folder).get(unicodedata.normalize("NFC", source), {})
        return columns

    def check(self, sources: Iterator[str]) -> list[Problem]:
        """What is wrong with the metadata beside these files, rows that name no file among them."""
        landed: set[str] = set()
        for source in sources:
            landed.add(unicodedata.normalize("NFC", source))
            self.of(source)
        missing = [
            Problem(place, "names_no_file", f"names {source}, which is not there (or not taken)")
            for source, place in self._named.items()
            if source not in landed
        ]
        return self._problems + missing

    def _folder(self, folder: str) -> dict[str, dict[str, str]]:
        if folder not in self._folders:
            self._folders[folder] = rows = {}
            for name in METADATA_FILES:
                source = name if folder == "." else f"{folder}/{name}"
                path = self._landing / source
                if path.is_file():
                    self._read(path, source, folder, rows)
        return self._folders[folder]

    def _read(self, path: Path, source: str, folder: str, rows: dict[str, dict[str, str]]) -> None:
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = "is not UTF-8; save it as UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
            self._problems.append(Problem(source, "bad_metadata", f"cannot be read: {why}"))
            return
        for line, values in _csv_rows(text) if path.suffix == ".csv" else _json_rows(text):
            place = f"{source}, line {line}"
            if isinstance(values, str):
                self._problems.append(Problem(place, "bad_metadata", values))
                continue
            target = _below(folder, values.pop(_NAME_COLUMN, None))
            if target is None:
                self._problems.append(Problem(place, "bad_metadata", f"needs {_NAME_COLUMN}, a path below its folder"))
                continue
            if self._named.get(target, "").startswith(f"{source}, line "):
                words = f"names {target} again; where the lines differ, this one counts"
                self._problems.append(Problem(place, "bad_metadata", words))
            self._named[target] = place
            columns = {str(key): _text(value) for key, value in values.items() if value not in (None, "")}
            rows[target] = rows.get(target, {}) | columns


def _csv_rows(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Line number and columns of each row, or a sentence about what is wrong with it."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if _NAME_COLUMN not in (reader.fieldnames or ()):
            yield 1, f"has no column {_NAME_COLUMN}; its columns are {', '.join(reader.fieldnames or ()) or 'none'}"
            return
        for row in reader:
            if None in row or None in row.values():
                columns = len(reader.fieldnames or ())
                yield reader.line_num, f"has not the {columns} columns of the header; quote values with commas"
            else:
                yield reader.line_num, dict(row)
    except csv.Error as error:
        yield reader.reader.line_num, f"is not CSV from here on: {error}"


def _json_rows(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, f"is not JSON: {error}"
            continue
        yield number, dict(values) if isinstance(values, dict) else "is not a JSON object"


def _below(folder: str, name: Any) -> str | None:
    """The source that `file_name` means in that folder; None if it is no path below it."""
    if not isinstance(name, str) or not name.strip():
        return None
    path = PurePosixPath(folder, name)
    # macOS writes names in another Unicode form than most tables have them.
    return None if ".." in path.parts or path.is_absolute() else unicodedata.normalize("NFC", str(path))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
