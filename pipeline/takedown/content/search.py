"""Searches any file for what is withdrawn, and takes it out. Files in archives are searched like others."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

from pipeline.errors import BadRecording
from pipeline.lake.files import stream_sha256
from pipeline.objects.path import ObjectPath
from pipeline.takedown.content import archives, databases, sound, tables, text
from pipeline.takedown.content.kinds import HEAD, Kind, kind_of
from pipeline.takedown.content.outcome import Outcome, Unsearchable
from pipeline.takedown.content.readings import readings
from pipeline.takedown.content.terms import Terms

_DEEPEST = 4
_RAW_BLOCK = 16 << 20
_MOST_BYTES = 512 << 20


@dataclass
class Searcher:
    """`clips`: length and SHA-256 of stored sounds that are withdrawn, which find copies of them byte by byte."""

    terms: Terms
    clips: Set[tuple[int, str]] = frozenset()

    def search(self, file: Path, folder: str | None = None) -> Outcome | None:
        """What of the file is withdrawn; `folder` below landing if it is a table of metadata there.

        Raises Unsearchable, OSError.
        """
        if isinstance(file, ObjectPath):
            # Databases and sound are read by libraries that know files of this machine alone.
            with file.copied() as here:
                return self._search_file(here, folder)
        return self._search_file(file, folder)

    def _search_file(self, file: Path, folder: str | None) -> Outcome | None:
        with file.open("rb") as content:
            if folder is not None:
                return text.search(content, file.suffix.lower(), self.terms, self.is_withdrawn, folder)
            return self._search(content, file.name, file, 0)

    def remove_lines(self, file: Path, folder: str | None = None) -> None:
        """Take out the lines that `search` found, in one step."""
        text.remove(file, self.terms, self.is_withdrawn, folder)

    def remove_rows(self, file: Path) -> None:
        """Take out the rows that `search` found, in one step."""
        tables.remove(file, self.terms, self.is_withdrawn)

    def is_withdrawn(self, data: bytes) -> bool:
        """Whether bytes that lie in a cell or a text are withdrawn sound or words."""
        if (len(data), hashlib.sha256(data).hexdigest()) in self.clips:
            return True
        kind = kind_of(data[:HEAD])
        if kind == "text":
            return any(self.terms.in_text(words) == "holds" for _, words in readings(data))
        if kind != "sound":
            return False
        try:
            return self._sounds(io.BytesIO(data))
        except BadRecording:
            return False

    def _search(self, file: BinaryIO, name: str, path: Path | None, depth: int) -> Outcome | None:
        head = file.read(HEAD)
        file.seek(0)
        kind, terms, suffix = kind_of(head), self.terms, PurePath(name).suffix.lower()
        if depth and terms.in_text(name) == "holds":
            return Outcome("file")
        match kind:
            case "text":
                return text.search(file, suffix, terms, self.is_withdrawn)
            case "parquet" | "arrow":
                return tables.search(file, terms, self.is_withdrawn)
            case "sound":
                return self._search_sound(file, path)
            case "sqlite":
                return databases.search_sqlite(file, path, terms, self.is_withdrawn)
            case "duckdb":
                return databases.search_duckdb(path, terms, self.is_withdrawn)
            case "zip" | "tar" | "compressed":
                return self._search_archive(file, name, kind, depth)
            case "empty":
                return None
        return self._search_raw(file, kind)

    def _search_archive(self, file: BinaryIO, name: str, kind: Kind, depth: int) -> Outcome | None:
        if depth >= _DEEPEST:
            raise Unsearchable(f"is an archive in {_DEEPEST} others")

        def search_member(content: BinaryIO, member: str) -> Outcome | None:
            return self._search(content, member, None, depth + 1)

        return archives.search(file, name, kind, search_member)

    def _search_sound(self, file: BinaryIO, path: Path | None) -> Outcome | None:
        digest = stream_sha256(file)
        if (file.tell(), digest) in self.clips:
            return Outcome("file")
        if path is None and file.tell() > _MOST_BYTES:
            raise Unsearchable(f"is a sound of {file.tell() >> 20} MB in an archive; unpack it")
        file.seek(0)
        try:
            return Outcome("file") if self._sounds(path or io.BytesIO(file.read())) else None
        except BadRecording as error:
            raise Unsearchable(f"is sound that cannot be decoded: {error}") from None

    def _sounds(self, file: Path | io.BytesIO) -> bool:
        return any(self.terms.sound.matches(block) for block in sound.blocks(file))

    def _search_raw(self, file: BinaryIO, kind: Kind) -> Outcome | None:
        """Bytes in no form that is known: what can be found in them goes, where nothing is found nobody can tell."""
        overlap = b""
        while block := file.read(_RAW_BLOCK):
            content = overlap + block
            for encoding in ("utf-8", "utf-16-le", "gb18030"):
                if self.terms.in_text(content.decode(encoding, "replace")) == "holds":
                    return Outcome("file")
            overlap = content[-4_096:]
        raise Unsearchable("is an image" if kind == "image" else "is of no kind that can be searched")
