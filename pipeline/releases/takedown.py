"""What a takedown does to releases: rows that go leave their hash alone, and the release says so and is sealed anew.

Which rows go, the takedown says; it also finishes what a killed one left, for the rows on disk tell what is to do.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from pipeline.lake.rows import Row
from pipeline.releases.choose import reasons
from pipeline.releases.figures import by
from pipeline.releases.names import ReleaseError, changing
from pipeline.releases.release import Document, Release, every, renewed, write_document
from pipeline.releases.rows import (
    BESIDE,
    CORRECTIONS,
    LEFT_OUT,
    SEGMENTS,
    SEGMENTS_SCHEMA,
    content_sha256,
    tombstone,
    write_rows,
)
from pipeline.settings import Settings

Goes = Callable[[Row], bool]
_SCRUBBED = "(taken out: it named what was withdrawn)"
_FREE = ("where", "note", "licence")


def take_out(settings: Settings, takedown_id: str, goes: Goes, names_it: Callable[[str], bool]) -> list[str]:
    """Take rows out of every release; names of the releases that held some.

    `goes` judges a row; `names_it` a text that people wrote, such as the condition: it may hold what is withdrawn.
    Calling it again changes nothing. A release whose tables cannot be read is left as it is: whoever looks for what is
    still there finds them.
    """
    if not settings.releases.is_dir():
        return []
    touched = []
    with changing(settings) as folder:
        for stale in folder.glob(".*.unfinished"):
            shutil.rmtree(stale)
        for release in every(settings):
            with suppress(ReleaseError):
                if _of_release(release, takedown_id, goes, names_it):
                    touched.append(release.name)
    return touched


def _of_release(release: Release, takedown_id: str, goes: Goes, names_it: Callable[[str], bool]) -> bool:
    going = [row for row in release.segments if goes(row)]
    beside = {LEFT_OUT: release.left_out, CORRECTIONS: release.corrections}
    left = {name: [row for row in rows if not goes(row)] for name, rows in beside.items()}
    fewer = [name for name, rows in left.items() if len(rows) < len(beside[name])]
    noted = any(one["takedown_id"] == takedown_id for one in release.document["taken_out"])
    cut_short = not noted and any(row["taken_out_by"] == takedown_id for row in release.rows)
    named = [name for name in _FREE if release.document[name] and names_it(release.document[name])]
    if not (going or cut_short or named or fewer):
        return False
    held = content_sha256(release.rows) == release.document["content_sha256"]
    gone = {row["row_sha256"] for row in going}
    rows = [tombstone(row, takedown_id) if row["row_sha256"] in gone else row for row in release.rows]
    rows = [{name: row.get(name) for name in SEGMENTS_SCHEMA.names} for row in rows]
    for name in fewer:
        write_rows(release.folder / name, left[name], BESIDE[name])
    if going:
        write_rows(release.folder / SEGMENTS, rows, SEGMENTS_SCHEMA)
    document: Document = release.document | dict.fromkeys(named, _SCRUBBED)
    document |= {"consents": _consents(document["consents"], rows), "left_out": reasons(left[LEFT_OUT])}
    document["taken_out"] = [
        *(one for one in document["taken_out"] if one["takedown_id"] != takedown_id),
        {
            "takedown_id": takedown_id,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "segments": Counter(row["taken_out_by"] for row in rows)[takedown_id],
            "release_sha256_before": release.sha256,
            "was_sound_before": held,
        },
    ]
    write_document(release.folder, renewed(document, release.folder, rows), rows)
    return True


def _consents(consents: list[dict], rows: list[Row]) -> list[dict]:
    """Those that something still rests on, with the segments of now."""
    left = by([row for row in rows if not row["taken_out_by"]], lambda row: row["consent_id"])
    counted = ((one, left.get(one["consent_id"])) for one in consents)
    return [one | {key: now[key] for key in ("segments", "seconds")} for one, now in counted if now]
