"""The lists that trainers read, one line a clip beside a folder of sound files: a table of formats and one writer."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from pipeline.exchange.exports import Clip, Options
from pipeline.exchange.list_files import LineFiles
from pipeline.exchange.sound_files import Sounds, safe_name
from pipeline.text.printable import formula_defused


@dataclass(frozen=True)
class Line:
    """What a line may tell of a clip; sounds are paths, lengths seconds."""

    sound: str
    text: str
    seconds: float
    dialect: str
    reference: str | None = None
    reference_seconds: float | None = None
    key: str = ""
    speaker: str = ""


Value = Callable[[Line], Any]


@dataclass(frozen=True)
class ListFormat:
    """A trainer's keys and what stands under each; a key whose value is None is left out.

    `separator` is None for JSON Lines; else values are joined by it, without keys. `header` is the first line.
    """

    keys: Mapping[str, Value]
    file: str = "{split}.jsonl"
    separator: str | None = None
    header: tuple[str, ...] = ()

    def line(self, line: Line) -> str:
        """One line with its end."""
        values = {key: value(line) for key, value in self.keys.items()}
        if self.separator is None:
            kept = {key: value for key, value in values.items() if value is not None}
            return json.dumps(kept, ensure_ascii=False) + "\n"
        return _separated([("" if value is None else value) for value in values.values()], self.separator)


def _separated(values: Sequence[Any], separator: str) -> str:
    """Values in a line for `csv`: no value is computed by a spreadsheet, none breaks the line."""
    line = io.StringIO()
    cells = [formula_defused(" ".join(value.split())) if isinstance(value, str) else value for value in values]
    csv.writer(line, delimiter=separator, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _seconds(line: Line) -> float:
    return round(line.seconds, 3)


def _reference_seconds(line: Line) -> float | None:
    return None if line.reference_seconds is None else round(line.reference_seconds, 3)


_SOUND, _TEXT, _REFERENCE = attrgetter("sound"), attrgetter("text"), attrgetter("reference")
VOXCPM = ListFormat(
    {
        "audio": _SOUND,
        "text": _TEXT,
        "duration": _seconds,
        "dataset_id": lambda line: 0,
        "dialect": attrgetter("dialect"),
        "ref_audio": _REFERENCE,
        "ref_duration": _reference_seconds,
    }
)
QWEN3_TTS = ListFormat({"audio": _SOUND, "text": _TEXT, "ref_audio": lambda line: line.reference or line.sound})
"""Its trainer takes the speaker from ref_audio, so that a clip without another of its speaker is its own."""


class ListWriter:
    """Sound files below `audio/`, and a list for each split in a trainer's format, with absolute paths."""

    def __init__(self, form: ListFormat, out: Path, options: Options) -> None:
        self._form = form
        self._out = out
        self._sounds = Sounds(out, options.encoding)

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """Lists first, then sounds, as a reader meets them."""
        sounds: list[Path] = []
        with LineFiles(self._out) as lists:
            for clip in clips:
                file = self._sounds.put(clip)
                sounds.append(file)
                name = self._form.file.format(split=clip.split)
                if self._form.header and name not in lists.names:
                    lists.add(name, _separated(self._form.header, self._form.separator or ","))
                lists.add(name, self._form.line(self._line(clip, file)))
        return [*lists.files, *sounds]

    def _line(self, clip: Clip, file: Path) -> Line:
        reference = clip.extra.get("reference")
        return Line(
            sound=str(file),
            text=clip.text,
            seconds=clip.duration,
            dialect=clip.dialect,
            reference=str(self._sounds.place(clip.split, reference)) if reference else None,
            reference_seconds=clip.extra.get("reference_duration"),
            key=safe_name(clip.segment_id),
            speaker=safe_name(clip.speaker),
        )


VoxCPM = partial(ListWriter, VOXCPM)
Qwen3TTS = partial(ListWriter, QWEN3_TTS)
