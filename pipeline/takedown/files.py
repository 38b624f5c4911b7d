"""Files with withdrawn audio in them: landed originals, exported clips and lines, caches, pages, unfinished copies.

What can be built again (caches, pages with players) goes whole; files on their own go by the id in their name or by
their bytes, so nothing depends on who exported them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import unicodedata
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lake.files import replace_bytes
from pipeline.landing_zone import METADATA_FILES
from pipeline.rights.tombstones import sound_sha256
from pipeline.settings import Settings
from pipeline.takedown.rows import Clip, Taking, Withdrawal

SOUND = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".webm", ".mka"}
_REBUILT = {"cache"}
_NOT_OURS = {"dagster", "batches", "takedowns"}


def landed(settings: Settings, taking: Taking) -> tuple[list[Path], list[Path]]:
    """The taking's files below landing, and files under their names that hold something else by now and stay."""
    ours, others = [], []
    for source in taking.sources:
        file = settings.landing / source
        if file.is_symlink() or file.is_file():
            (ours if _same(file, taking) else others).append(file)
    return ours, others


def _same(file: Path, taking: Taking) -> bool:
    if not file.exists() or not taking.file_sha256s:
        return True
    with file.open("rb") as content:
        if hashlib.file_digest(content, "sha256").hexdigest() in taking.file_sha256s:
            return True
    return taking.audio_sha256 is not None and sound_sha256(file) == taking.audio_sha256


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


def lines_without(file: Path, withdrawal: Withdrawal, apply: bool) -> int:
    """Lines of a JSON Lines file that name something withdrawn, which it loses."""
    lines = file.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not withdrawal.in_text(line.decode("utf-8", "replace"))]
    if apply and len(kept) < len(lines):
        replace_bytes(file, b"".join(kept))
    return len(lines) - len(kept)


def is_part(file: Path, withdrawal: Withdrawal, sources: Collection[str]) -> bool:
    """Whether a part file of a running batch is of a recording that is withdrawn, be it in part.

    One that cannot be read counts too: nobody can tell what is in it, and its stage makes it again.
    """
    try:
        with pq.ParquetFile(file) as part:
            source = (part.schema_arrow.metadata or {}).get(b"source", b"").decode("utf-8", "replace")
            names = [name for name in part.schema_arrow.names if name == "recording_id"]
            ids = part.read(names)["recording_id"].to_pylist() if names else []
    except (pa.ArrowException, OSError):
        return True
    return source in sources or any(name in withdrawal.takings for name in ids)


def loose(settings: Settings, withdrawal: Withdrawal, clips: Collection[Clip], models: list[Path]) -> Iterator[Path]:
    """Files and folders of the workspace that have to go, landing and tables aside.

    Caches and pages, what a killed process left unfinished, files named by an id that is withdrawn, files with the
    bytes of a withdrawn clip, and sound in the folders of tainted `models`.
    """
    digests: dict[int, set[str]] = {}
    for size, digest in clips:
        digests.setdefault(size, set()).add(digest)
    for name in _REBUILT:
        if (settings.root / name).exists():
            yield settings.root / name
    for file in walk(settings):
        named = file.suffix not in (".parquet", ".jsonl") and withdrawal.in_text(file.name)
        unfinished = file.name.startswith(".") and file.suffix == ".tmp"
        sampled = file.suffix.lower() in SOUND and any(file.is_relative_to(folder) for folder in models)
        if named or unfinished or sampled or file.suffix == ".html" or _is_clip(file, digests):
            yield file


def walk(settings: Settings) -> Iterator[Path]:
    """Files of workspace and lake; not landing, caches, Dagster's storage, manifests and journals."""
    landing, lake = settings.landing.resolve(), settings.lake.resolve()
    roots = [settings.root.resolve()]
    roots += [] if lake.is_relative_to(roots[0]) else [lake]
    for root in roots:
        for folder, folders, names in os.walk(root):
            here = Path(folder)
            skipped = _NOT_OURS | _REBUILT if here == root else set()
            folders[:] = sorted(name for name in folders if name not in skipped and here / name != landing)
            yield from (here / name for name in sorted(names))


def _is_clip(file: Path, digests: dict[int, set[str]]) -> bool:
    try:
        known = digests.get(file.stat().st_size)
        if not known:
            return False
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() in known
    except FileNotFoundError:
        return False


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
