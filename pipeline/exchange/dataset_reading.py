"""Reads datasets of others: Lhotse cuts, Hugging Face Parquet with sound inside, WebDataset tars. Sound inside is read
when it is asked for."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.exchange.given import TranscriptError
from pipeline.exchange.imports import Import, Spoken

_TEXTS = ("text", "sentence", "transcription", "transcript")
_SPEAKERS = ("speaker", "speaker_id", "spk")
_SOUNDS = {"wav", "flac", "mp3", "ogg", "opus", "m4a"}
_SAME_SECONDS = 0.01


def lhotse(path: Path, form: Import) -> Iterator[Spoken]:
    """The supervisions of a manifest of cuts with sound files (.jsonl or .jsonl.gz). Raises TranscriptError."""
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as content
        ):
            for number, line in enumerate(content, 1):
                try:
                    yield from _of_cut(json.loads(line), path.parent)
                except (ValueError, KeyError, TypeError, IndexError) as error:
                    raise TranscriptError(
                        f"line {number} is no cut with a sound file: {type(error).__name__}: {error}"
                    ) from None
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise TranscriptError(f"cannot be read: {error}") from None


def _of_cut(cut: dict[str, Any], folder: Path) -> Iterator[Spoken]:
    recording = cut["recording"]
    source = recording["sources"][0]
    if source["type"] != "file":
        raise ValueError(f"its sound is {source['type']}, not a file")
    for one in cut["supervisions"]:
        start = cut["start"] + one["start"]
        whole = start <= _SAME_SECONDS and abs(one["duration"] - recording["duration"]) <= _SAME_SECONDS
        span = (None, None) if whole else (start, start + one["duration"])
        yield Spoken(folder / source["source"], one.get("text") or "", one.get("speaker") or "", *span)


def huggingface(path: Path, form: Import) -> Iterator[Spoken]:
    """The rows of the Parquet files below a folder (or of one file) with a column `audio`. Raises TranscriptError."""
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    if not files:
        raise TranscriptError("has no .parquet file")
    for file in files:
        try:
            yield from _of_parquet(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise TranscriptError(f"{file.name} cannot be read: {error}") from None


def _of_parquet(file: Path) -> Iterator[Spoken]:
    with pq.ParquetFile(file) as content:
        names = content.schema_arrow.names
        text = next((name for name in _TEXTS if name in names), None)
        speaker = next((name for name in _SPEAKERS if name in names), None)
        if text is None or "audio" not in names:
            raise TranscriptError(f"{file.name} needs audio and {_TEXTS[0]}, and has {', '.join(names)}")
        for group in range(content.num_row_groups):
            columns = ["audio.path", text, *([speaker] if speaker else [])]
            for place, row in enumerate(content.read_row_group(group, columns=columns).to_pylist()):
                named = PurePosixPath((row["audio"] or {}).get("path") or f"{group}-{place}").name
                sound = file / f"{group}-{place}" / named
                read = partial(_in_parquet, file, group, place)
                yield Spoken(sound, row[text] or "", str(row[speaker] or "") if speaker else "", content=read)


def _in_parquet(file: Path, group: int, place: int) -> bytes:
    with pq.ParquetFile(file) as content:
        return (
            content.read_row_group(group, columns=["audio.bytes"]).slice(place, 1)["audio"][0].as_py()["bytes"] or b""
        )


def webdataset(path: Path, form: Import) -> Iterator[Spoken]:
    """The clips of the tars in a folder (or of one tar): sound with .txt or .json beside it. Raises TranscriptError."""
    files = [path] if path.is_file() else sorted(path.glob("*.tar"))
    if not files:
        raise TranscriptError("has no .tar file")
    for file in files:
        try:
            yield from _of_tar(file)
        except (tarfile.TarError, OSError) as error:
            raise TranscriptError(f"{file.name} cannot be read: {error}") from None


def _of_tar(file: Path) -> Iterator[Spoken]:
    clips: dict[str, dict[str, tarfile.TarInfo]] = {}
    with tarfile.open(file) as tar:
        for member in tar:
            if member.isfile():
                folder, _, name = member.name.rpartition("/")
                key, _, kind = name.partition(".")
                clips.setdefault(f"{folder}/{key}", {})[kind.lower()] = member
        for key, members in clips.items():
            sound = next((kind for kind in members if kind in _SOUNDS), None)
            if sound is None:
                continue
            facts = _json_in(tar, members.get("json"))
            text = _bytes_in(tar, members.get("txt")).decode("utf-8", "replace").strip() or str(facts.get("text") or "")
            member = members[sound]
            read = partial(_in_file, file, member.offset_data, member.size)
            name = f"{PurePosixPath(key).name}.{sound}"
            speaker = next((str(facts[name]) for name in _SPEAKERS if facts.get(name)), "")
            yield Spoken(file / name, text, speaker, content=read)


def _json_in(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> dict[str, Any]:
    try:
        facts = json.loads(_bytes_in(tar, member) or b"{}")
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _bytes_in(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> bytes:
    held = tar.extractfile(member) if member is not None else None
    return held.read() if held is not None else b""


def _in_file(file: Path, offset: int, size: int) -> bytes:
    with file.open("rb") as content:
        content.seek(offset)
        return content.read(size)
