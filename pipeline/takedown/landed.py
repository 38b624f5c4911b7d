"""Landed files that are withdrawn, and the lines of metadata about them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import unicodedata
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.lake.files import replace_bytes
from pipeline.landing_zone import METADATA_FILES
from pipeline.rights.tombstones import sound_sha256
from pipeline.settings import Settings
from pipeline.takedown.extents import WithdrawalExtent


def landed(settings: Settings, extent: WithdrawalExtent) -> tuple[list[Path], list[Path]]:
    """The extent's files below landing, and files under their names that hold something else by now and stay."""
    ours, others = [], []
    for source in extent.sources:
        file = settings.landing / source
        if file.is_symlink() or file.is_file():
            (ours if _same(file, extent) else others).append(file)
    return ours, others


def _same(file: Path, extent: WithdrawalExtent) -> bool:
    if not file.exists() or not extent.file_sha256s:
        return True
    with file.open("rb") as content:
        if hashlib.file_digest(content, "sha256").hexdigest() in extent.file_sha256s:
            return True
    return extent.audio_sha256 is not None and sound_sha256(file) == extent.audio_sha256


def metadata_without(landing: Path, sources: Collection[str], apply: bool) -> list[Path]:
    """Metadata files with lines about these sources, which lose those lines and no other byte."""
    wanted = {unicodedata.normalize("NFC", source) for source in sources}
    folders = {folder for source in sources for folder in PurePosixPath(source).parents}
    touched = []
    for file in sorted(landing / folder / name for folder in folders for name in METADATA_FILES):
        if not file.is_file():
            continue
        before = file.read_bytes()
        folder = file.parent.relative_to(landing)
        cut = _csv_without if file.suffix == ".csv" else _json_without
        after = cut(before, folder, wanted)
        if after != before:
            touched.append(file)
            if apply:
                replace_bytes(file, after)
    return touched


def _csv_without(content: bytes, folder: Path, wanted: Collection[str]) -> bytes:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return content
    lines = io.StringIO(text, newline="").readlines()
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    kept, done = [], 0
    try:
        header = reader.fieldnames
        kept, done = lines[: reader.line_num], reader.line_num
        for row in reader:
            if header is None or _source(folder, row.get("file_name")) not in wanted:
                kept += lines[done : reader.line_num]
            done = reader.line_num
    except csv.Error:
        pass
    return "".join(kept + lines[done:]).encode()


def _json_without(content: bytes, folder: Path, wanted: Collection[str]) -> bytes:
    kept = []
    for line in content.splitlines(keepends=True):
        try:
            values: Any = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict) or _source(folder, values.get("file_name")) not in wanted:
            kept.append(line)
    return b"".join(kept)


def _source(folder: Path, name: Any) -> str:
    return unicodedata.normalize("NFC", (folder / name).as_posix()) if isinstance(name, str) else ""
