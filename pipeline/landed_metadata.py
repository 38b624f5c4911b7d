"""The metadata of landed files: free columns from metadata.csv or metadata.jsonl in a file's folder or one above.

A file that such metadata may speak of in a way that cannot be read gets the column `metadata_problem`: the consent that
they name is not known then, and no pattern covers it (`pipeline.rights.consents.resolve`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipeline.lake.storage import names_in
from pipeline.metadata_table import MetadataRow, MetadataTable, read_table
from pipeline.near_names import NearNames
from pipeline.rights.consents import METADATA_PROBLEM
from pipeline.rights.patterns import composed, matches
from pipeline.text.printable import in_a_line

METADATA_FILES = ("metadata.csv", "metadata.jsonl")
_TELLING = ("consent_id", "speaker")
_LISTED_LINES = 10
_BYTES = re.compile("[\udc80-\udcff]")
_HALF_PAIRS = re.compile("[\ud800-\udfff]+")


@dataclass(frozen=True)
class Problem:
    """What keeps a file, or a line of metadata, from being used: `reason` a short code, `message` what to do."""

    source: str
    reason: str
    message: str


@dataclass
class _Folder:
    """What the metadata in a folder say of the files below it; sources in Unicode form NFC.

    `refused` files have a row that cannot be used, `torn` are patterns of such files, `unreadable` may speak of any
    file. `names` are names of files that may be written otherwise, `mentions` what may be names.
    """

    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    torn: dict[str, str] = field(default_factory=dict)
    unreadable: str | None = None
    names: NearNames = field(default_factory=NearNames)
    mentions: dict[str, str] = field(default_factory=dict)

    def doubt(self, source: str) -> str | None:
        """Why what it says of a file, if anything, is not known."""
        return self.unreadable or next((words for name, words in self.torn.items() if matches(name, source)), None)


def is_metadata(name: str) -> bool:
    """Whether a file of this name holds metadata, however its capitals are."""
    return name.casefold() in METADATA_FILES


class Metadata:
    """Free columns of files; where several folders say something of a file the nearest one counts."""

    def __init__(self, landing: Path) -> None:
        self._landing = landing
        self._folders: dict[str, _Folder] = {}
        self._problems: list[Problem] = []
        self._named: dict[str, str] = {}
        self._doubted: dict[str, str] = {}

    def of(self, source: str) -> dict[str, str]:
        """The columns of one file as text, without its name and without empty ones.

        With a column `metadata_problem` if something that may be about it cannot be read, unless a row as near names
        a consent.
        """
        columns: dict[str, str] = {}
        name = unicodedata.normalize("NFC", source)
        for folder in reversed([str(folder) for folder in PurePosixPath(source).parents]):
            said = self._folder(folder)
            row = said.rows.get(name)
            problem = said.refused.get(name)
            if row and row.get("consent_id", "").strip():
                columns.pop(METADATA_PROBLEM, None)
            else:
                problem = problem or said.doubt(name) or (None if row else self._other_spelling(said, folder, name))
            columns |= (row or {}) | ({METADATA_PROBLEM: in_a_line(problem)} if problem else {})
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
        doubted = [
            Problem(source, "metadata_doubt", f"no pattern covers it, for it may be meant where {words}")
            for source, words in self._doubted.items()
        ]
        return self._problems + missing + doubted

    def _folder(self, folder: str) -> _Folder:
        if folder not in self._folders:
            self._folders[folder] = said = _Folder()
            for name in self._files(folder):
                source = name if folder == "." else f"{folder}/{name}"
                self._add(said, folder, source, self._table(source))
        return self._folders[folder]

    def _files(self, folder: str) -> list[str]:
        """Names of a folder's metadata files; those of other kinds count where there are no others, as unreadable."""
        try:
            names = names_in(self._landing / folder)
        except OSError:
            return []
        read = [name for name in names if is_metadata(name)]
        others = [name for name in names if name.casefold().partition(".")[0] == "metadata" and "." in name]
        return sorted(read or others)

    def _table(self, source: str) -> MetadataTable:
        path = self._landing / source
        if not is_metadata(path.name):
            return MetadataTable(problem=(0, f"is not read; save it as {' or '.join(METADATA_FILES)}"))
        try:
            if not path.is_file():
                return MetadataTable(problem=(0, "cannot be read: it is no ordinary file"))
            return read_table(path.read_bytes(), path.suffix.casefold() == ".csv")
        except OSError as error:
            return MetadataTable(problem=(0, f"cannot be read: {error.strerror}"))

    def _add(self, said: _Folder, folder: str, source: str, table: MetadataTable) -> None:
        found: dict[tuple[str, str], list[int]] = defaultdict(list)
        for line, words in table.notes:
            found["metadata_note", words].append(line)
        if table.problem is not None:
            line, words = table.problem
            found["bad_metadata", words].append(line)
            said.unreadable = f"{_place(source, line)}: {words}"
        for row in table.rows:
            words = self._add_row(said, folder, _place(source, row.line), row, table.guessed)
            if words:
                found["bad_metadata", words].append(row.line)
        for (reason, words), lines in found.items():
            more = ", ".join(map(str, lines[1:_LISTED_LINES])) + (" ..." if len(lines) > _LISTED_LINES else "")
            words += f" (lines {more} too)" if len(lines) > 1 else ""
            self._problems.append(Problem(_place(source, lines[0]), reason, words))

    def _add_row(self, said: _Folder, folder: str, place: str, row: MetadataRow, guessed: bool) -> str | None:
        """Keep what a row says; returns what is wrong with it."""
        for mention in row.mentions:
            words = f"{place}: has {mention.strip()} in a value of several lines or a comment"
            said.mentions[composed(mention).lstrip("# ").casefold()] = words
        if row.name is None:
            said.unreadable = f"{place}: {row.problem}" if row.problem else said.unreadable
            return row.problem
        target = self._target(folder, row.name)
        if row.problem or target is None:
            words = row.problem or "needs file_name, a path below its folder"
            self._refuse(said, row, target, f"{place}: {words}")
            return words
        if guessed and not row.name.isascii() and not self._is_there(target):
            said.unreadable = f"{place}: names {row.name}, which is not there: the encoding may be another"
        said.names.add(row.name, target, f"{place}: names {row.name}, which is not there; write it as the file's name")
        self._named[target] = place
        before = said.rows.get(target)
        said.rows[target] = (before or {}) | row.columns
        return None if before is None else _repeated(said, target, before, row.columns, place)

    def _refuse(self, said: _Folder, row: MetadataRow, target: str | None, words: str) -> None:
        """Keep which files a row that cannot be used is about: the one it names, or what may be meant."""
        assert row.name is not None
        if target is not None and self._is_there(target):
            said.refused[target] = words
        elif target is not None and _HALF_PAIRS.search(target) and not _BYTES.search(target):
            said.torn[_HALF_PAIRS.sub("?*", target)] = words
        elif not row.name_is_sure or _BYTES.search(row.name):
            said.unreadable = words
        else:
            said.names.add(row.name, target or "", words)

    def _other_spelling(self, said: _Folder, folder: str, source: str) -> str | None:
        """What is said of a file without a row if a name that is not there may mean it."""
        path = source if folder == "." else source.removeprefix(f"{unicodedata.normalize('NFC', folder)}/")
        last = path.rpartition("/")[2].casefold()
        mentioned = said.mentions.get(path.casefold()) or said.mentions.get(last)
        near = (words for target, words in said.names.near(path) if not target or not self._is_there(target))
        words = mentioned or next(near, None)
        if words:
            self._doubted[source] = words
        return words

    def _target(self, folder: str, name: str) -> str | None:
        """The source that `file_name` means in that folder; None if it is no path below it."""
        spellings = dict.fromkeys([name, name.strip(), name.strip().replace("\\", "/")])
        targets = [target for spelling in spellings if (target := _below(folder, spelling)) is not None]
        if len(targets) > 1:
            targets = [target for target in targets if self._is_there(target)] or targets
        return targets[0] if targets else None

    def _is_there(self, source: str) -> bool:
        """Whether a file of that name lies below landing, in whichever Unicode form."""
        path = self._landing / source
        try:
            if path.is_file():
                return True
            return any(unicodedata.normalize("NFC", name) == path.name for name in names_in(path.parent))
        except (OSError, ValueError):
            return False


def _repeated(said: _Folder, target: str, before: dict[str, str], columns: dict[str, str], place: str) -> str:
    """What is wrong with another row about a file: one that disagrees about rights makes both useless."""
    differ = [key for key in _TELLING if composed(before.get(key, "")) != composed(columns.get(key, ""))]
    differ = [key for key in differ if before.get(key) and columns.get(key)]
    if differ:
        words = f"names {target} again with another {' and another '.join(differ)}; keep one row"
        said.refused[target] = f"{place}: {words}"
        return words
    return f"names {target} again; where the lines differ, this one counts"


def _below(folder: str, name: str) -> str | None:
    if not name.strip():
        return None
    path = PurePosixPath(folder, name)
    # macOS writes names in another Unicode form than most tables have them.
    return None if ".." in path.parts or path.is_absolute() else unicodedata.normalize("NFC", str(path))


def _place(source: str, line: int) -> str:
    return f"{source}, line {line}" if line else source
