"""Batches of landed files: which files are new, which batch each belongs to, and the work items of a batch.

A batch is a manifest `<workspace>/batches/b00001.jsonl`, one line a file, written once; only a takedown and a file that
moves change it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline import landing_zone, moves
from pipeline.audio import clips
from pipeline.errors import BadRecording
from pipeline.lake.files import file_sha256, replace_bytes
from pipeline.lake.lake import Lake
from pipeline.landing_zone import LandedFile, Problem
from pipeline.settings import Settings
from pipeline.stage import Recording

_FOLDER = "batches"
_NAME = re.compile(r"b\d{5,}")


@dataclass(frozen=True)
class _Entry:
    """A line of a manifest; `duration` in seconds as the container claims, 0 if unknown.

    The file of a `withdrawn` one is gone, but some of its speakers' rows stand. `copied_ns` is the modification time of
    a copy of the same bytes that lies there now, if it has another.
    """

    source: str
    bytes: int
    mtime_ns: int
    duration: float
    dialect: str
    collection: str
    withdrawn: bool = False
    copied_ns: int | None = None

    @property
    def on_disk(self) -> tuple[int, int]:
        """Size and modification time that its file has as long as nobody changes it."""
        return self.bytes, self.mtime_ns if self.copied_ns is None else self.copied_ns


@dataclass(frozen=True)
class Waiting:
    """Landed files that are in no batch yet; `closes` is when the oldest has waited long enough, in epoch seconds."""

    files: int = 0
    seconds: float = 0.0
    closes: float | None = None


def is_name(text: str) -> bool:
    """Whether a batch could be called so."""
    return _NAME.fullmatch(text) is not None


def names(workspace: Path) -> list[str]:
    """All batches in the order in which they were closed."""
    folder = workspace / _FOLDER
    found = [path.stem for path in folder.glob("b*.jsonl") if _NAME.fullmatch(path.stem)] if folder.is_dir() else []
    return sorted(found, key=lambda name: int(name[1:]))


def plan(
    landing: Path, workspace: Path, settings: Settings, now: float, close_all: bool = False, limit: int | None = None
) -> list[str]:
    """Close new batches from landed files that are in no manifest; returns their names, at most `limit`.

    A batch closes when it holds `batches.hours` of audio, or when its oldest file landed `batches.max_wait_hours`
    before `now` (epoch seconds). Files younger than `batches.settle_seconds` wait. `close_all` says that the landing
    zone is complete: every file counts, however young, and the last batch closes too. A file whose content changed
    counts as new; one that was moved stays in its batch under its new name, and one that was copied, as it was, too.
    Planning again without new files makes nothing.
    """
    with _locked(workspace):
        landed = landing_zone.scan(landing).files
        _follow_moves(landing, workspace, settings, landed)
        new = _in_no_batch(landed, workspace)
        files = [file for file in new if close_all or file.age(now) >= settings.batches.settle_seconds]
        copied = _copied(landing, workspace, settings, files)
        _note_copies(workspace, copied)
        files = [file for file in files if file.source not in copied]
        # In the order in which they were written: of two files with the same audio the first one stays.
        files.sort(key=lambda file: (file.mtime_ns, file.source))
        made: list[str] = []
        for entries, full in _fill(landing, files, settings.batches.hours * 3600):
            waited = now - min(file.arrived for file, _ in entries)
            if full or close_all or waited >= settings.batches.max_wait_hours * 3600:
                made.append(_write(workspace, [entry for _, entry in entries]))
            if limit is not None and len(made) >= limit:
                break
        return made


def waiting(landing: Path, workspace: Path, settings: Settings) -> Waiting:
    """What the next batch would take if it were closed now; seconds of audio as the containers claim."""
    files = _in_no_batch(landing_zone.scan(landing).files, workspace)
    copied = _copied(landing, workspace, settings, files)
    files = [file for file in files if file.source not in copied]
    if not files:
        return Waiting()
    seconds = sum(_duration(f"{landing}/{file.source}", file.bytes, file.mtime_ns) for file in files)
    closes = min(file.arrived for file in files) + settings.batches.max_wait_hours * 3600
    return Waiting(len(files), seconds, closes)


def recordings(landing: Path, workspace: Path, batch: str) -> list[Recording]:
    """The work items of a batch, oldest file first, with their metadata.

    A file that landed again, changed, belongs to the later batch alone, but what stands of a withdrawn one stays where
    it is. Raises ValueError for a broken manifest.
    """
    entries = _read(workspace, batch)
    every = names(workspace)
    later = {entry.source for name in every[every.index(batch) + 1 :] for entry in _read(workspace, name)}
    metadata = landing_zone.Metadata(landing)
    sidecars = landing_zone.sidecars(landing)
    return [
        Recording(
            source=entry.source,
            path=str(landing / entry.source),
            batch=batch,
            dialect=entry.dialect,
            collection=entry.collection,
            duration=entry.duration,
            metadata=metadata.of(entry.source),
            size=entry.bytes,
            mtime_ns=entry.mtime_ns,
            copied_ns=entry.copied_ns or 0,
            sidecars=sidecars.of(entry.source),
        )
        for entry in entries
        if entry.withdrawn or entry.source not in later
    ]


def withdrawn(workspace: Path, batch: str) -> set[str]:
    """Sources of a batch whose files a takedown removed while rows of their other speakers stand."""
    return {entry.source for entry in _read(workspace, batch) if entry.withdrawn}


def withdraw(workspace: Path, whole: Collection[str], in_part: Collection[str]) -> None:
    """Take sources out of all manifests, or mark them as withdrawn in part; either counts as new if it lands again."""
    with _locked(workspace):
        for name in names(workspace):
            before = _read(workspace, name)
            after = [
                replace(entry, withdrawn=entry.withdrawn or entry.source in in_part)
                for entry in before
                if entry.source not in whole
            ]
            if after != list(before):
                _replace(workspace, name, after)


def problems(landing: Path) -> list[Problem]:
    """Everything in the landing zone that somebody has to mend: files that no batch takes, metadata, consents."""
    return landing_zone.scan(landing, with_metadata=True).problems


def _follow_moves(landing: Path, workspace: Path, settings: Settings, files: Sequence[LandedFile]) -> None:
    """Let each file that was moved take the place of the one that is gone, and no other place."""
    became = moves.moved(landing, Lake(settings.lake), _latest(workspace), files)
    arrived = {file.source for file in became.values()}
    for name in names(workspace) if became else ():
        before = _read(workspace, name)
        after = [_moved(entry, became) for entry in before if entry.source not in arrived]
        if after != list(before):
            _replace(workspace, name, after)


def _moved(entry: _Entry, became: Mapping[str, LandedFile]) -> _Entry:
    file = became.get(entry.source)
    if file is None or entry.withdrawn:
        return entry
    return _Entry(file.source, file.bytes, file.mtime_ns, entry.duration, file.dialect, file.collection)


def _in_no_batch(files: Iterable[LandedFile], workspace: Path) -> list[LandedFile]:
    """Files that are new, or have another size or time than those that the last batch with them holds."""
    known = _latest(workspace)
    return [file for file in files if known.get(file.source) != (file.bytes, file.mtime_ns)]


def _copied(landing: Path, workspace: Path, settings: Settings, files: Iterable[LandedFile]) -> dict[str, LandedFile]:
    """Those of a batch's files that have another time, but the size and the content that ingest read: `cp` gives a file
    a new time. What ingest has not read yet counts as changed."""
    known = _latest(workspace)
    same_size = [file for file in files if file.source in known and known[file.source][0] == file.bytes]
    if not same_size:
        return {}
    sources, hashes = (
        Lake(settings.lake).read("recordings", None, ("source", "file_sha256"))[name].to_pylist()
        for name in ("source", "file_sha256")
    )
    # Later batches come later.
    hashed = dict(zip(sources, hashes, strict=True))
    return {
        file.source: file
        for file in same_size
        if (content := hashed.get(file.source)) is not None
        and content == _sha256(f"{landing}/{file.source}", file.bytes, file.mtime_ns)
    }


def _note_copies(workspace: Path, copied: Mapping[str, LandedFile]) -> None:
    """Note the times of copies where their sources were last taken, so that they are compared once."""
    left = dict(copied)
    for name in reversed(names(workspace)) if copied else ():
        entries = _read(workspace, name)
        here = {entry.source for entry in entries if entry.source in left and not entry.withdrawn}
        if here:
            after = [
                replace(entry, copied_ns=left[entry.source].mtime_ns) if entry.source in here else entry
                for entry in entries
            ]
            _replace(workspace, name, after)
        left = {source: file for source, file in left.items() if source not in here}


@lru_cache(maxsize=200_000)
def _sha256(path: str, size: int, mtime_ns: int) -> str | None:
    """The hash of a file, None if it cannot be read; a changed file is a new cache entry."""
    try:
        return file_sha256(path)
    except OSError:
        return None


def _fill(
    landing: Path, files: list[LandedFile], seconds: float
) -> Iterator[tuple[list[tuple[LandedFile, _Entry]], bool]]:
    """Files in order, cut after each that brings a batch to `seconds`; the last one may not be full."""
    held: list[tuple[LandedFile, _Entry]] = []
    total = 0.0
    for file in files:
        duration = _duration(f"{landing}/{file.source}", file.bytes, file.mtime_ns)
        held.append((file, _Entry(file.source, file.bytes, file.mtime_ns, duration, file.dialect, file.collection)))
        total += duration
        if total >= seconds:
            yield held, True
            held, total = [], 0.0
    if held:
        yield held, False


@lru_cache(maxsize=200_000)
def _duration(path: str, size: int, mtime_ns: int) -> float:
    """Seconds as the container claims, 0.0 if it does not or cannot be opened; a changed file is a new cache entry."""
    try:
        return clips.probe(path).duration
    except BadRecording:
        return 0.0


def _latest(workspace: Path) -> dict[str, tuple[int, int]]:
    """Size and modification time that the file of each source has, by the last batch that holds it."""
    return {
        entry.source: entry.on_disk
        for name in names(workspace)
        for entry in _read(workspace, name)
        if not entry.withdrawn
    }


def _read(workspace: Path, batch: str) -> tuple[_Entry, ...]:
    path = workspace / _FOLDER / f"{batch}.jsonl"
    try:
        about = path.stat()
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no batch {batch!r}") from None
    return _parse(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=20_000)
def _parse(path: Path, size: int, mtime_ns: int) -> tuple[_Entry, ...]:
    entries = []
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), start=1):
        try:
            values: dict[str, Any] = json.loads(line)
            entries.append(_Entry(**values))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: not a line of a manifest: {error}; restore the file") from None
    return tuple(entries)


def _write(workspace: Path, entries: list[_Entry]) -> str:
    existing = names(workspace)
    name = f"b{int(existing[-1][1:]) + 1 if existing else 1:05d}"
    _replace(workspace, name, entries)
    return name


def _replace(workspace: Path, name: str, entries: list[_Entry]) -> None:
    lines = "".join(json.dumps(_line(entry)) + "\n" for entry in entries)
    replace_bytes(workspace / _FOLDER / f"{name}.jsonl", lines.encode("ascii"))


def _line(entry: _Entry) -> dict[str, Any]:
    """A line of a manifest; without `copied_ns` it is as older versions read it."""
    return {key: value for key, value in vars(entry).items() if key != "copied_ns" or value is not None}


@contextmanager
def running_all(workspace: Path) -> Iterator[None]:
    """Says while it lasts that this process runs every batch, one after another; it ends with the process too."""
    with _open_claim(workspace) as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


def somebody_runs_all(workspace: Path) -> bool:
    """Whether another process is within `running_all`."""
    with _open_claim(workspace) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def _open_claim(workspace: Path) -> Iterator[int]:
    folder = workspace / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".running_all", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _locked(workspace: Path) -> Iterator[None]:
    """One planner at a time, in this process or another; clears what one that was killed left behind."""
    folder = workspace / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for leftover in folder.glob(".b*.tmp"):
            leftover.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)
