"""A release on disk: its document release.json, its rows, and the files about it that are made from both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.lake.files import file_sha256, replace_bytes
from pipeline.lake.rows import Row
from pipeline.releases import cards, croissant, datasheet
from pipeline.releases.figures import figures_of
from pipeline.releases.names import DOCUMENT, FORMAT, ReleaseError, existing, find, is_document
from pipeline.releases.rows import BESIDE, CORRECTIONS, LEFT_OUT, SEGMENTS, of_segments, read_rows
from pipeline.settings import Settings

_OWN_HASH = "release_sha256"
_ABOUT = {"DATASHEET.md": datasheet.write, "README.md": cards.write, "croissant.json": croissant.write}

Document = dict[str, Any]


@dataclass(frozen=True)
class Release:
    """A release that is there: its folder and what release.json says. Rows are read when they are asked for."""

    folder: Path
    document: Document

    @property
    def name(self) -> str:
        return self.document["name"]

    @property
    def sha256(self) -> str:
        """The hash of the whole: of release.json, which holds the hashes of the other files."""
        return self.document[_OWN_HASH]

    @cached_property
    def rows(self) -> list[Row]:
        """Every row of segments.parquet, those that were taken out among them. Raises ReleaseError."""
        return self._read(SEGMENTS)

    @cached_property
    def segments(self) -> list[Row]:
        """The rows that are there."""
        return of_segments(self.rows)

    @cached_property
    def left_out(self) -> list[Row]:
        """Segments that it leaves out, with the reason. Raises ReleaseError."""
        return self._read(LEFT_OUT)

    @cached_property
    def corrections(self) -> list[Row]:
        """What people had corrected of its recordings until it was made, as table corrections has it."""
        return self._read(CORRECTIONS)

    def _read(self, name: str) -> list[Row]:
        try:
            return read_rows(self.folder / name)
        except (OSError, pa.ArrowException) as error:
            raise ReleaseError(f"{self.folder / name}: cannot be read: {error}; restore it from a backup") from None


def load(folder: Path) -> Release:
    """The release in a folder. Raises ReleaseError for a document that is none."""
    file = folder / DOCUMENT
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{file}: cannot be read: {error}; restore it from a backup") from None
    if not is_document(file):
        raise ReleaseError(f"{file}: is no release of format {FORMAT}; restore it from a backup")
    return Release(folder, document)


def open_release(settings: Settings, name: str) -> Release:
    """The release of that name. Raises ReleaseError."""
    return load(find(settings, name))


def every(settings: Settings) -> list[Release]:
    """All releases that can be read, oldest first."""
    found = []
    for name in existing(settings):
        try:
            found.append(open_release(settings, name))
        except ReleaseError:
            continue
    return sorted(found, key=lambda one: (one.document["created"], one.name))


def sealed(document: Document) -> Document:
    """The document, as it will be read again, with the hash of itself."""
    bare = json.loads(json.dumps({key: value for key, value in document.items() if key != _OWN_HASH}, sort_keys=True))
    canonical = json.dumps(bare, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return bare | {_OWN_HASH: hashlib.sha256(canonical.encode()).hexdigest()}


def renewed(document: Document, folder: Path, rows: Sequence[Row]) -> Document:
    """The document with figures of the rows and hashes of the files as they are now."""
    files = {
        name: {"sha256": file_sha256(folder / name), "bytes": (folder / name).stat().st_size}
        for name in (SEGMENTS, *BESIDE)
    }
    return sealed(document | {"figures": figures_of(of_segments(rows)), "files": files})


def write_document(folder: Path, document: Document, rows: Sequence[Row]) -> None:
    """Put release.json and the files about the release in place; the document last: it says that all is there."""
    for name, text in about(document, rows).items():
        replace_bytes(folder / name, text.encode())
    content = json.dumps(document, sort_keys=True, ensure_ascii=False, indent=1) + "\n"
    replace_bytes(folder / DOCUMENT, content.encode("utf-8", "surrogatepass"))


def about(document: Document, rows: Sequence[Row]) -> Mapping[str, str]:
    """The files about a release by name: its datasheet, the card for a hub, and its Croissant description."""
    segments = of_segments(rows)
    return {name: write(document, segments) for name, write in _ABOUT.items()}
