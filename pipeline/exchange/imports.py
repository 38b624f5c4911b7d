"""The lists of others that can be landed: sound files with text and speaker, by format; nothing here writes files."""

from __future__ import annotations

import csv
import importlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.exchange.encoding import decode
from pipeline.exchange.given import TranscriptError
from pipeline.text.printable import formula_defused


@dataclass(frozen=True)
class Spoken:
    """What a list says of one stretch of sound; without times it is the whole file.

    `content` gives the sound's bytes where it lies inside another file; `sound` is then its name below that file.
    """

    sound: Path
    text: str
    speaker: str = ""
    start: float | None = None
    end: float | None = None
    content: Callable[[], bytes] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Import:
    """`keys` of sound, text and speaker, of offset and length in seconds; of a list without keys their places."""

    sound: str
    text: str
    speaker: str = ""
    offset: str = ""
    seconds: str = ""
    style: str = "jsonl"
    code: str = "pipeline.exchange.imports:lines"

    def read(self, path: Path) -> Iterator[Spoken]:
        """What a list says, line by line. Raises TranscriptError: the message goes on after the file's name."""
        module, _, function = self.code.partition(":")
        reader: Callable[[Path, Import], Iterator[Spoken]] = getattr(importlib.import_module(module), function)
        return reader(path, self)


_DATASETS = "pipeline.exchange.dataset_reading"
_KALDI = "pipeline.exchange.kaldi_reading:folder"
IMPORTS: dict[str, Import] = {
    "voxcpm": Import("audio", "text"),
    "qwen3-tts": Import("audio", "text"),
    "dots-tts": Import("audio", "text"),
    "moss-tts": Import("audio", "text"),
    "omnivoice": Import("audio_path", "text"),
    "funasr": Import("source", "target"),
    "nemo": Import("audio_filepath", "text", "speaker", "offset", "duration"),
    "gpt-sovits": Import("0", "3", "1", style="bars"),
    "f5-tts": Import("audio_file", "text", style="csv"),
    "kaldi": Import("wav.scp", "text", code=_KALDI),
    "cosyvoice": Import("wav.scp", "text", code=_KALDI),
    "lhotse": Import("recording", "text", code=f"{_DATASETS}:lhotse"),
    "huggingface": Import("audio", "text", code=f"{_DATASETS}:huggingface"),
    "webdataset": Import("audio", "text", code=f"{_DATASETS}:webdataset"),
}
"""By name, as `fangyan import` takes it; what `fangyan export` writes under the same name is read."""


def lines(path: Path, form: Import) -> Iterator[Spoken]:
    """The lines of a list file; sound files are counted from its folder."""
    for number, row in enumerate(_rows(content_of(path), form.style), 2 if form.style == "csv" else 1):
        sound, text = row.get(form.sound), row.get(form.text)
        if not isinstance(sound, str) or not sound or not isinstance(text, str):
            found = ", ".join(row) or "nothing"
            raise TranscriptError(f"line {number} needs {form.sound} and {form.text}, and has {found}")
        offset, seconds = (_number(row.get(name), number, name) for name in (form.offset, form.seconds))
        timed = offset is not None and seconds is not None
        yield Spoken(
            path.parent / sound,
            _undefused(text) if form.style == "csv" else text,
            str(row.get(form.speaker) or ""),
            offset if timed else None,
            offset + seconds if offset is not None and seconds is not None else None,
        )


def content_of(path: Path) -> str:
    """The text of a file. Raises TranscriptError."""
    try:
        return decode(path.read_bytes())[0]
    except OSError as error:
        raise TranscriptError(f"cannot be read: {error.strerror}") from None


def _rows(text: str, style: str) -> Iterator[dict]:
    if style == "csv":
        yield from csv.DictReader(io.StringIO(text), delimiter="|")
        return
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if style == "bars":
            yield {str(place): value for place, value in enumerate(line.rstrip("\r").split("|"))}
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise TranscriptError(f"line {number} is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise TranscriptError(f"line {number} is not a JSON object")
        yield row


def _number(value: object, line: int, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise TranscriptError(f"line {line}: {name} is {value!r}, no seconds")
    return float(value)


def _undefused(text: str) -> str:
    """A text without the apostrophe that `fangyan export` puts before formulas."""
    return text[1:] if text.startswith("'") and formula_defused(text[1:]) == text else text
