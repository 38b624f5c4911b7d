"""What doctor says of the object stores that a configuration names: it writes, reads, lists and deletes one object.

Nothing of the credentials is shown but where they come from.
"""

from __future__ import annotations

import contextlib
import importlib.util
import time
from collections.abc import Iterator
from uuid import uuid4

from cli.checkpoint_findings import Finding
from pipeline.objects.access import SCHEMES, StoreError
from pipeline.objects.path import ObjectPath
from pipeline.objects.s3 import NEEDED, S3Store
from pipeline.settings import Settings

_MOST_SKEW_SECONDS = 60.0
_LOCAL_ONLY = "`fangyan desk` reads a lake in a folder of this machine alone and does not serve this one"
_UNTRIED = "is reached through Arrow and was never tried with Fangyan; a takedown cannot see older versions there"


def stores(settings: Settings) -> Iterator[Finding]:
    """Of each place in a store whether it can be used; nothing where all is in folders."""
    for name in ("landing", "lake", "releases"):
        place = getattr(settings, name)
        if isinstance(place, ObjectPath):
            yield from _place(f"paths.{name}", place)
    if isinstance(settings.lake, ObjectPath):
        yield Finding("paths.lake", "info", _LOCAL_ONLY)
        from pipeline.lake.httpfs import reads_stores

        there = reads_stores()
        words = "DuckDB has its extension httpfs" if there else "DuckDB lacks its extension httpfs: no catalog.duckdb"
        yield Finding("paths.catalog", "info", f"{words}; `fangyan sql` answers through Arrow")


def _place(subject: str, place: ObjectPath) -> Iterator[Finding]:
    scheme = place.parts[0].rstrip(":")
    if scheme == "s3" and importlib.util.find_spec("boto3") is None:
        yield Finding(subject, "missing", f"{place} {NEEDED}")
        return
    try:
        yield from _tried(subject, place)
    except StoreError as error:
        yield Finding(subject, "missing", str(error))
        return
    if isinstance(place.store, S3Store):
        yield from _versions(subject, place, place.store)
    else:
        yield Finding(subject, "warning", f"{SCHEMES[scheme]} {_UNTRIED}")


def _tried(subject: str, place: ObjectPath) -> Iterator[Finding]:
    """Puts an object below the place, reads it, finds it in the list and deletes it."""
    probe, content = place / f".doctor-{uuid4().hex[:12]}", uuid4().bytes
    began = time.time()
    probe.write_bytes(content)
    try:
        took = time.time() - began
        same = probe.read_bytes() == content
        listed = any(one == probe for one in place.iterdir())
        written = probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
        _forget(probe)
    if not same or not listed:
        words = "reads back something else" if not same else "does not list what was written"
        yield Finding(subject, "missing", f"{place}: the store {words}")
        return
    if probe.is_file():
        yield Finding(subject, "missing", f"{place}: the store keeps an object that was deleted")
        return
    source = place.store.source_of_credentials() if isinstance(place.store, S3Store) else "the library's own"
    words = f"{place}: written, read, listed and deleted; {took:.2f} s to write; credentials: {source}"
    yield Finding(subject, "ok", words)
    # A store says whole seconds.
    early, late = began - written - 1.0, written - (began + took)
    if max(early, late) > _MOST_SKEW_SECONDS:
        ahead = "ahead of" if early > late else "behind"
        words = f"this machine's clock is {max(early, late):.0f} s {ahead} the store's: set it by NTP"
        yield Finding(subject, "warning", f"{words}; files count as settled by it, and S3 refuses 15 minutes")


def _forget(probe: ObjectPath) -> None:
    """A bucket with versions keeps what was tried; whoever may not delete them hears of it in `_versions`."""
    if isinstance(probe.store, S3Store):
        with contextlib.suppress(StoreError):
            probe.store.remove_versions(list(probe.store.versions(probe.key)))


def _versions(subject: str, place: ObjectPath, store: S3Store) -> Iterator[Finding]:
    try:
        state = store.versioning()
    except StoreError as error:
        words = "whether the bucket keeps versions cannot be asked, and a takedown has to delete them"
        yield Finding(subject, "warning", f"{words}: allow GetBucketVersioning, ListBucketVersions: {error}")
        return
    if state == "Off":
        yield Finding(subject, "info", "the bucket keeps no versions")
        return
    try:
        next(iter(store.versions(f"{place.key}/")), None)
    except StoreError as error:
        yield Finding(subject, "missing", f"versions are {state} and cannot be listed: a takedown would fail: {error}")
        return
    words = f"versions are {state}: a takedown deletes those of what it takes (needs DeleteObjectVersion)"
    yield Finding(subject, "info", words)
