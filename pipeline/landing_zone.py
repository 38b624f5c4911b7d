"""The landing zone as it lies on disk: `<dialect>/<collection>/**` with metadata beside the files, and what is wrong.

Reads names, sizes, times and metadata, and of audio only whether the evidence of a consent is some.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.audio import clips
from pipeline.errors import BadRecording
from pipeline.exchange.formats import format_of
from pipeline.exchange.sidecars import Sidecars, called, could_be_of
from pipeline.landed_metadata import METADATA_FILES as METADATA_FILES
from pipeline.landed_metadata import Metadata, Problem, is_metadata
from pipeline.objects.path import ObjectPath, ObjectStat, stat_of
from pipeline.objects.store import Facts
from pipeline.rights.consents import CONSENTS_FILE, read_consents
from pipeline.rights.patterns import composed
from pipeline.side_files import is_side_file
from pipeline.text import dialects
from pipeline.text.printable import in_a_line

# Sound even where it cannot be decoded: then quarantine says so.
_SOUND = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".wma", ".amr", ".webm", ".mka", ".aif", ".aiff"}


class LandedFile(NamedTuple):
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


@dataclass
class Scan:
    """Files that a batch may take, in order of source, and what is wrong with the rest."""

    files: list[LandedFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def scan(landing: Path, with_metadata: bool = False) -> Scan:
    """Look through the landing zone. Hidden and side files, metadata and consents are no recordings and passed over.

    So is the evidence of consents, but not where it is sound in the folder of a dialect: a recording may begin with the
    spoken consent. `with_metadata` looks for problems in metadata and consents too.
    """
    found = Scan()
    consents, complaints = read_consents(landing / CONSENTS_FILE)
    evidence = {_plain(consent.evidence) for consent in consents if consent.evidence}
    transcripts: list[str] = []
    listed: list[tuple[str, _Entry]] = []
    _walk(landing, "", landing.resolve(), listed, found.problems)
    for source, entry in listed:
        if is_metadata(entry.name) or source == CONSENTS_FILE:
            continue
        is_evidence = bool(evidence) and _plain(source) in evidence
        if is_side_file(entry.name):
            transcripts += [source] if format_of(entry.name) and not is_evidence else []
            continue
        landed = _judge(source, entry)
        if is_evidence and not (isinstance(landed, LandedFile) and _is_sound(landing, landed)):
            continue
        if isinstance(landed, Problem):
            found.problems.append(landed)
        else:
            found.files.append(landed)
    found.files.sort(key=lambda file: file.source)
    if with_metadata:
        found.problems += [Problem(CONSENTS_FILE, "bad_consent", message) for message in complaints]
        found.problems += Metadata(landing).check(file.source for file in found.files)
        found.problems += _of_no_recording(transcripts, found.files)
    found.problems = [
        replace(one, source=in_a_line(one.source), message=in_a_line(one.message, 1000)) for one in found.problems
    ]
    return found


def sidecars(landing: Path) -> Sidecars:
    """The transcripts beside recordings; a consent's evidence is none."""
    consents, _ = read_consents(landing / CONSENTS_FILE)
    return Sidecars(landing, {_plain(consent.evidence) for consent in consents if consent.evidence})


def locate(landing: Path, file: Path) -> tuple[str | None, dict[str, str]]:
    """A file's path below landing and its metadata; None and nothing if it lies elsewhere."""
    here, root = file.resolve(), landing.resolve()
    if not here.is_relative_to(root):
        return None, {}
    source = here.relative_to(root).as_posix()
    return source, Metadata(landing).of(source)


def _of_no_recording(transcripts: Iterable[str], files: Iterable[LandedFile]) -> Iterator[Problem]:
    """Transcripts by name that no recording is called after; a .txt may be anything."""
    there = {name for file in files for name in called(file.source)}
    for source in transcripts:
        if not source.casefold().endswith(".txt") and not could_be_of(source) & there:
            words = "is a transcript, but no recording beside it has its name; call it after the recording"
            yield Problem(source, "transcript_of_none", words)


@dataclass(frozen=True)
class _Object:
    """An object of a store as scan asks os.DirEntry."""

    name: str
    facts: Facts

    def stat(self) -> ObjectStat:
        return stat_of(self.facts)


_Entry = os.DirEntry[str] | _Object


def _walk(landing: Path, below: str, root: Path, found: list[tuple[str, _Entry]], problems: list[Problem]) -> None:
    """Append every visible file below landing by source; folders that cannot or must not be entered become problems."""
    if isinstance(landing, ObjectPath):
        for file, facts in landing.walk_files():
            source = "/".join(file.parts[len(landing.parts) :])
            if not source.startswith(".") and "/." not in source:
                found.append((source, _Object(file.name, facts)))
        return
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
        if entry.is_dir(follow_symlinks=False):
            _walk(landing, source, root, found, problems)
        else:
            found.append((source, entry))


def _judge(source: str, entry: _Entry) -> LandedFile | Problem:
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
    parts = source.split("/", 2)
    if len(parts) < 3:
        return Problem(source, "misplaced", "lies outside of <dialect>/<collection>/; move it into such a folder")
    dialect = dialects.REGISTRY.get(parts[0])
    try:
        dialect = dialect or dialects.get(parts[0])
    except dialects.UnknownDialectError as error:
        return Problem(
            source, "unknown_dialect", f"its first folder is no dialect: {error}; rename the folder, or add the dialect"
        )
    return LandedFile(
        source=source,
        bytes=about.st_size,
        mtime_ns=about.st_mtime_ns,
        dialect=dialect.code,
        collection=parts[1],
        written=about.st_mtime,
        arrived=about.st_ctime,
    )


def _is_sound(landing: Path, file: LandedFile) -> bool:
    path = landing / file.source
    return path.suffix.lower() in _SOUND or _has_sound(str(path), file.bytes, file.mtime_ns)


@lru_cache(maxsize=10_000)
def _has_sound(path: str, size: int, mtime_ns: int) -> bool:
    """Whether FFmpeg finds audio in a file; a changed file is a new cache entry."""
    try:
        clips.probe(path)
    except BadRecording:
        return False
    return True


def _plain(source: str) -> str:
    """A path as it is compared with others."""
    return str(PurePosixPath(composed(source).replace("\\", "/")))


def _shown(source: str) -> str:
    """A source that can be printed and stored: bytes that are not UTF-8 become question marks."""
    return source if source.isascii() else os.fsencode(source).decode("utf-8", "replace")
