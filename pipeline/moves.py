"""Landed files that were moved: the copy at the new place takes the part of the one that is gone, in its batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.lake.files import file_sha256
from pipeline.lake.lake import Lake
from pipeline.landing_zone import LandedFile

# Size in bytes and modification time of a source.
Known = Mapping[str, tuple[int, int]]


def moved(landing: Path, lake: Lake, known: Known, files: Iterable[LandedFile]) -> dict[str, LandedFile]:
    """The file that each source in `known` became, of those that are gone: same bytes under a name that is new.

    `mv` keeps size and time; after a copy the hash that ingest kept decides. A copy that ingest set aside as a
    duplicate is new in this sense too.
    """
    there = {file.source: file for file in files}
    gone = [source for source in known if source not in there and not (landing / source).exists()]
    if not gone:
        return {}
    columns = ("source", "file_sha256", "duplicate_of")
    rows = {row["source"]: row for row in lake.rows("recordings", None, columns)}
    free: dict[int, list[LandedFile]] = defaultdict(list)
    for source, file in there.items():
        if source not in known or rows.get(source, {}).get("duplicate_of"):
            free[file.bytes].append(file)
    found: dict[str, LandedFile] = {}
    for source in gone:
        size, mtime_ns = known[source]
        hashed = rows.get(source, {}).get("file_sha256")
        for file in free[size]:
            if file.mtime_ns == mtime_ns or (hashed and file_sha256(landing / file.source) == hashed):
                found[source] = file
                free[size].remove(file)
                break
    return found
