"""Copies of landed recordings on this machine, by their content, within a bound: stages read the same file many times.

`<cache>/<sha256>.<ending>` is a copy, `<cache>/known/<hash of address and mark>` says which copy an object is.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import BadRecording
from pipeline.objects.access import StoreError, access
from pipeline.objects.path import ObjectPath, object_path
from pipeline.objects.store import Facts

_BLOCK = 8 << 20


@contextmanager
def here(path: str | Path) -> Iterator[str]:
    """The path of a file of this machine that holds what `path` does: itself, or a copy that stays while this lasts.

    Raises BadRecording: missing, unreadable; inside, errors about the copy name the object.
    """
    place = object_path(path)
    if place is None:
        yield os.fspath(path)
        return
    with _held(place) as copy:
        try:
            yield str(copy)
        except BadRecording as error:
            raise BadRecording(error.reason, str(error).replace(str(copy), str(place))) from None


@contextmanager
def _held(place: ObjectPath) -> Iterator[Path]:
    """Who reads a copy holds it by a shared lock; only what nobody holds makes room for others."""
    for _ in range(10):
        copy = _copy_of(place)
        try:
            handle = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            if copy.exists():
                yield copy
                return
        finally:
            os.close(handle)
    raise BadRecording("unreadable", f"{place}: its copy is removed again and again: raise [storage] cache_gb")


def _copy_of(place: ObjectPath) -> Path:
    folder = Path(access().cache or Path(os.environ.get("TMPDIR", "/tmp")) / "fangyan-originals")
    try:
        facts = place.store.facts(place.key)
        if facts is None:
            raise BadRecording("missing", f"{place}: no such object")
        known = folder / "known" / hashlib.sha256(f"{place} {facts.etag} {facts.bytes}".encode()).hexdigest()[:32]
        suffix = place.suffix if place.suffix.isascii() else ""
        if known.exists():
            copy = folder / f"{known.read_text(encoding='ascii')}{suffix}"
            if copy.exists():
                os.utime(copy)
                return copy
        return _fetched(place, facts, folder, known, suffix)
    except StoreError as error:
        raise BadRecording("unreadable", str(error)) from None


def _fetched(place: ObjectPath, facts: Facts, folder: Path, known: Path, suffix: str) -> Path:
    known.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{os.getpid()}-{known.name}.tmp"
    digest = hashlib.sha256()
    try:
        with (
            place.store.open(place.key) as content,
            temporary.open("wb") as copy,
            place.store.saying("read", place.key),
        ):
            while block := content.read(_BLOCK):
                digest.update(block)
                copy.write(block)
        if temporary.stat().st_size != facts.bytes:
            raise BadRecording("changed_on_disk", f"{place}: changed while it was fetched; the next batch takes it")
        copy = folder / f"{digest.hexdigest()}{suffix}"
        temporary.replace(copy)
    finally:
        temporary.unlink(missing_ok=True)
    _make_room(folder, copy)
    mark = folder / f".{os.getpid()}-{known.name}.mark"
    mark.write_text(digest.hexdigest(), encoding="ascii")
    mark.replace(known)
    return copy


def _make_room(folder: Path, newest: Path) -> None:
    """Remove copies that nobody holds, those unused for longest first, until the rest is within the bound."""
    copies = []
    for file in folder.iterdir():
        if file.is_file() and not file.name.startswith("."):
            about = file.stat()
            copies.append((about.st_mtime, about.st_size, file))
    size = sum(one[1] for one in copies)
    for _, own, file in sorted(copies):
        if size <= access().cache_bytes:
            return
        if file != newest and _removed(file):
            size -= own


def _removed(file: Path) -> bool:
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True
