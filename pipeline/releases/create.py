"""Makes a release: chooses, writes it whole beside the others, then lets it appear in one step."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.corrections.store import Corrections
from pipeline.lake.lock import writing
from pipeline.lake.rows import Row
from pipeline.objects.path import ObjectPath
from pipeline.releases import made_by
from pipeline.releases.choose import SCOPE, Chosen, choose, reasons
from pipeline.releases.figures import consents_of
from pipeline.releases.names import DOCUMENT, FORMAT, ReleaseError, changing, existing, folder_of
from pipeline.releases.release import Document, Release, renewed, write_document
from pipeline.releases.rows import (
    CORRECTIONS,
    CORRECTIONS_SCHEMA,
    LEFT_OUT,
    LEFT_OUT_SCHEMA,
    SEGMENTS,
    SEGMENTS_SCHEMA,
    content_sha256,
    write_rows,
)
from pipeline.releases.text_error import text_error
from pipeline.rights import audit
from pipeline.rights.consents import CONSENTS_FILE, read_consents
from pipeline.settings import Settings

USES = ("asr", "tts_training", "voice_cloning", "commercial")
"""What a release may be for beside publication; the consents must allow each."""


@dataclass(frozen=True)
class Wish:
    """What somebody asks for: the condition, the uses, the release's own licence, a word about it; `by` is who asks,
    without it whoever runs this process."""

    name: str
    where: str | None = None
    uses: tuple[str, ...] = ()
    licence: str | None = None
    note: str | None = None
    by: str | None = None


def create(settings: Settings, wish: Wish, waiting: Callable[[str], None] = lambda whom: None) -> Release:
    """Make a release of what corpus and consents are now. Raises ReleaseError, audit.AuditBroken.

    Until it is whole it has no name: a process that is killed leaves a hidden folder, which the next one removes.
    """
    folder = folder_of(settings, wish.name)
    where, licence, note = (_text(one) for one in (wish.where, wish.licence, wish.note))
    wish = Wish(folder.name, where, tuple(sorted(set(wish.uses))), licence, note, wish.by)
    with writing(settings.root, waiting), changing(settings):
        _refuse_taken(settings, folder.name)
        chosen = choose(settings, wish.where, wish.uses)
        if not chosen.rows:
            raise ReleaseError(f"nothing would be in release {folder.name}: {_why_empty(chosen)}")
        facts = facts_of(settings, wish, chosen)
        with unfinished(folder) as made:
            release = write_release(made, facts, chosen, _corrections(settings, chosen))
            audit.append(settings.root, "release.create", folder.name, _logged(release), by=wish.by)
    return Release(folder, release.document)


def facts_of(settings: Settings, wish: Wish, chosen: Chosen) -> Document:
    """All that release.json says but for figures and hashes of files."""
    consents, _ = read_consents(settings.landing / CONSENTS_FILE)
    return {
        "format": FORMAT,
        "name": wish.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "created_by": wish.by or audit.actor(),
        "scopes": [SCOPE, *wish.uses],
        "where": wish.where,
        "licence": wish.licence,
        "note": wish.note,
        "code_version": made_by.code_version(),
        "settings": made_by.settings_of(settings),
        "stages": made_by.stages_of(settings),
        "models": made_by.models_of(settings),
        "not_current": made_by.not_current(settings, {row["recording_id"] for row in chosen.rows}),
        "consents": consents_of(chosen.rows, consents),
        "left_out": reasons(chosen.left_out),
        "text_error": text_error(settings, chosen.rows),
        "taken_out": [],
    }


def write_release(folder: Path, facts: Document, chosen: Chosen, corrections: Sequence[Row] = ()) -> Release:
    """Write all files of a release into a folder."""
    write_rows(folder / CORRECTIONS, corrections, CORRECTIONS_SCHEMA)
    write_rows(folder / SEGMENTS, chosen.rows, SEGMENTS_SCHEMA)
    write_rows(folder / LEFT_OUT, chosen.left_out, LEFT_OUT_SCHEMA)
    rows = [row | {"taken_out_by": row.get("taken_out_by")} for row in chosen.rows]
    document = renewed(facts | {"content_sha256": content_sha256(rows)}, folder, rows)
    write_document(folder, document, rows)
    return Release(folder, document)


@contextmanager
def unfinished(folder: Path) -> Iterator[Path]:
    """A hidden folder that takes the name of `folder` when all went well, and is gone when not.

    In an object store files are put one by one, and the document last: without it there is no release.
    """
    if isinstance(folder, ObjectPath):
        with tempfile.TemporaryDirectory(prefix="fangyan-release-") as made:
            yield Path(made)
            _publish(Path(made), folder)
        return
    for stale in folder.parent.glob(".*.unfinished"):
        shutil.rmtree(stale, ignore_errors=True)
    made = folder.with_name(f".{os.getpid()}.unfinished")
    made.mkdir(parents=True)
    try:
        yield made
        os.rename(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    handle = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _publish(made: Path, folder: ObjectPath) -> None:
    for file in sorted(made.iterdir()):
        if file.name != DOCUMENT:
            (folder / file.name).publish(file)
    if not folder.store.put_new((folder / DOCUMENT).key, (made / DOCUMENT).read_bytes()):
        raise ReleaseError(f"release {folder.name} was made by somebody else meanwhile: take another name")


def _corrections(settings: Settings, chosen: Chosen) -> list[Row]:
    ids = {row["recording_id"] for row in chosen.rows}
    return [one.to_row() for one in Corrections.of(settings).rows() if one.recording_id in ids]


def _text(given: str | None) -> str | None:
    """What somebody wrote, None for nothing. Raises ReleaseError for bytes that are no text."""
    try:
        (given or "").encode()
    except UnicodeEncodeError:
        raise ReleaseError(f"{given!r} is not text in UTF-8") from None
    return given.strip() or None if given else None


def _refuse_taken(settings: Settings, name: str) -> None:
    taken = next((one for one in existing(settings) if one.casefold() == name.casefold()), None)
    in_store = isinstance(settings.releases, ObjectPath)
    # What a killed process left of a release in a store has no document, and is written over.
    if taken is None and not in_store and (settings.releases / name).exists():
        raise ReleaseError(f"{settings.releases / name} is there and is no release: move it away")
    if taken is not None:
        other = "" if taken == name else " (capitals alone do not tell two releases apart)"
        raise ReleaseError(f"release {taken} exists{other}: a release is frozen, take another name")


def _why_empty(chosen: Chosen) -> str:
    if not chosen.left_out:
        return "the corpus has no segments yet; `fangyan run` makes them"
    counts = ", ".join(f"{name}: {one['segments']:.0f} segments" for name, one in reasons(chosen.left_out).items())
    refusals = [row["detail"] for row in chosen.left_out if row["reason"] == "no_consent"]
    return f"{counts}; for example {_first(refusals)}" if refusals else counts


def _first(words: Sequence[str]) -> str:
    return min(words, default="")


def _logged(release: Release) -> Row:
    document = release.document
    return {
        "release_sha256": release.sha256,
        "content_sha256": document["content_sha256"],
        "segments": document["figures"]["segments"],
        "seconds": document["figures"]["seconds"],
        "scopes": document["scopes"],
        "consents": [one["consent_id"] for one in document["consents"]],
    }
