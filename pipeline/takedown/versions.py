"""What an object store keeps of objects that are gone or were written anew: older versions, and uploads cut short.

Of lake and releases all of it goes: older versions hold withdrawn rows. Of the landing zone what was kept of withdrawn
objects goes, and older versions of others with the same content.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.lake.files import replace_bytes
from pipeline.objects.path import ObjectPath
from pipeline.objects.s3 import S3Store
from pipeline.settings import Settings

UNSEEN = "may keep older versions of objects, which Fangyan can list on S3 alone: see to it that it keeps none"


def note(file: Path, going: Iterable[Path], landing: Path) -> None:
    """Keep in `file` which landed objects go, so that a takedown that was killed still knows them."""
    known = set(json.loads(file.read_bytes())) if file.exists() else set()
    known |= {one.key for one in going if isinstance(one, ObjectPath) and one.is_relative_to(landing)}
    if known:
        replace_bytes(file, json.dumps(sorted(known)).encode())


def noted(file: Path) -> set[str]:
    """Keys of landed objects that `note` kept."""
    return set(json.loads(file.read_bytes())) if file.exists() else set()


def unseen(settings: Settings) -> dict[str, str]:
    """Places whose older versions nobody can look through, and why."""
    return {str(one): UNSEEN for one in settings.in_stores if not isinstance(one.store, S3Store)}


def purge(settings: Settings, landed: set[str]) -> int:
    """Delete what is kept beside what is there now; how many versions. Raises StoreError for one that is locked."""
    count = 0
    for place in settings.in_stores:
        store = place.store
        if isinstance(store, S3Store):
            old = list(_old(store, place, landed if place == settings.landing else None))
            store.remove_versions(old)
            count += len(old)
            for prefix in sorted(landed) if place == settings.landing else [f"{place.key}/"]:
                store.abort_uploads(prefix)
    return count


def kept(settings: Settings, landed: set[str]) -> list[str]:
    """What is still kept of what `purge` deletes: object and version."""
    found = []
    for place in settings.in_stores:
        if isinstance(place.store, S3Store):
            old = _old(place.store, place, landed if place == settings.landing else None)
            found += [f"{place.store.address(one['Key'])} version {one['VersionId']}" for one in old]
    return found


def _old(store: S3Store, place: ObjectPath, landed: set[str] | None) -> Iterator[dict[str, Any]]:
    """Versions that are not what the object is now, and marks of a deletion; `landed`: only theirs and copies."""
    by_key: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in store.versions(f"{place.key}/"):
        by_key[one["Key"]].append(one)
    theirs = {one["ETag"] for key in landed or () for one in by_key.get(key, ()) if "ETag" in one}
    for key, kept_of in by_key.items():
        old = [one for one in kept_of if not (one["IsLatest"] and "ETag" in one)]
        if landed is None or key in landed:
            yield from old
            continue
        copies = [one for one in old if one.get("ETag") in theirs]
        # Without its mark of a deletion an object that somebody else deleted would be back.
        alone = len(copies) == sum("ETag" in one for one in kept_of)
        yield from old if alone else copies
