"""Lands sound and texts of a list that others made: files in a collection, metadata.jsonl, subtitles for spans."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.exchange.given import TranscriptError
from pipeline.exchange.imports import IMPORTS, Spoken
from pipeline.exchange.sound_files import safe_name
from pipeline.exchange.subtitle_files import cue
from pipeline.lake.files import replace_bytes, replace_file
from pipeline.settings import Settings
from pipeline.text import dialects
from pipeline.text.printable import in_a_line
from pipeline.text.strict_json import text_flaw

_METADATA = "metadata.jsonl"


class CannotLand(Exception):
    """Nothing was landed, or not all of it; the message says why and what to do."""


@dataclass(frozen=True)
class Landed:
    """The collection's folder, how many recordings and lines of text, and which sounds were not there."""

    folder: Path
    recordings: int
    lines: int
    missing: tuple[str, ...]


def land(settings: Settings, format: str, path: Path, dialect: str, collection: str) -> Landed:
    """Copy what a list names to landing/<dialect>/<collection>/, with its texts. Raises CannotLand.

    Called again it goes on. No consent comes with it: until one covers the collection, nothing of it is used.
    """
    if format not in IMPORTS:
        raise CannotLand(f"there is no format {format!r}; choose one of {', '.join(IMPORTS)}")
    try:
        code = dialects.get(dialect).code
    except dialects.UnknownDialectError as error:
        raise CannotLand(str(error)) from None
    if safe_name(collection) != collection:
        raise CannotLand(f"a collection is called by letters, digits, - and _, not {collection!r}")
    folder = settings.landing / code / collection
    try:
        spoken = list(IMPORTS[format].read(path))
    except TranscriptError as error:
        raise CannotLand(in_a_line(f"{path}: {error}", 1000)) from None
    flaw = next(filter(None, (text_flaw(one.text) for one in spoken)), None)
    if flaw:
        raise CannotLand(f"{path}: a text has {flaw}")
    by_sound: dict[Path, list[Spoken]] = {}
    for one in spoken:
        by_sound.setdefault(one.sound, []).append(one)
    there = {sound: own for sound, own in by_sound.items() if own[0].content or sound.is_file()}
    if not there:
        first = next(iter(by_sound), None)
        words = f"none of its {len(by_sound)} sound files is there, such as {first}" if first else "it names no sound"
        raise CannotLand(in_a_line(f"{path}: {words}"))
    _refuse_other(folder, there)
    try:
        rows = [_land_one(folder, sound, own) for sound, own in there.items()]
        replace_bytes(folder / _METADATA, _metadata(rows))
    except OSError as error:
        words = f"{error.filename or folder}: {error.strerror}; mend that and give the same command again"
        raise CannotLand(words) from None
    missing = tuple(in_a_line(str(sound)) for sound in by_sound if sound not in there)
    return Landed(folder, len(there), sum(map(len, there.values())), missing)


def _name(sound: Path) -> str:
    """A file's name in the collection: what it is called, and a hash of where it lay, for two may be called alike."""
    digest = hashlib.sha256(os.fsencode(sound.absolute())).hexdigest()[:8]
    return f"{safe_name(sound.stem)[:80]}-{digest}{sound.suffix.lower()}"


def _refuse_other(folder: Path, sounds: Iterable[Path]) -> None:
    """Metadata of other files would be lost."""
    try:
        lines = (folder / _METADATA).read_text(encoding="utf-8").splitlines()
        names = {json.loads(line)["file_name"] for line in lines}
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        raise CannotLand(f"{folder} has a {_METADATA} that was not landed so; choose another collection") from None
    if not names <= {_name(sound) for sound in sounds}:
        raise CannotLand(f"{folder} has a {_METADATA} of other files; choose another collection")


def _land_one(folder: Path, sound: Path, spoken: list[Spoken]) -> dict[str, str]:
    """Its row of metadata; sound and subtitles are put beside it."""
    name = _name(sound)
    file = folder / name
    inside = spoken[0].content
    if not file.exists() and inside is not None:
        replace_bytes(file, inside())
    elif not file.exists():
        replace_file(file, lambda temporary: shutil.copyfile(sound, temporary))
    speakers = ";".join(dict.fromkeys(one.speaker for one in spoken if one.speaker))
    timed = [one for one in spoken if one.start is not None]
    if timed:
        cues = [cue(one.start or 0.0, one.end or 0.0, one.speaker, one.text) for one in timed]
        replace_bytes(file.with_suffix(".vtt"), ("WEBVTT\n\n" + "\n".join(cues)).encode())
    text = "" if timed else "\n".join(one.text for one in spoken)
    return {"file_name": name, "speaker": speakers, "transcript": text}


def _metadata(rows: list[dict[str, str]]) -> bytes:
    kept = ({key: value for key, value in row.items() if value} for row in rows)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept).encode()
