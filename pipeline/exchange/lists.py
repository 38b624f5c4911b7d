"""The lists that trainers read, one line a clip beside a folder of sound files: a table of formats and one writer."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from pipeline.exchange.exports import Clip, Options
from pipeline.exchange.list_files import LineFiles
from pipeline.exchange.sound_files import Sounds, safe_name
from pipeline.text.printable import formula_defused

# JSON lets these stand, and some readers end a line at them.
_LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}


@dataclass(frozen=True)
class Line:
    """What a line may tell of a clip; sounds are paths, lengths seconds. `anchor` is one clip for all of a speaker."""

    sound: str
    text: str
    seconds: float
    dialect: str
    reference: str | None = None
    reference_seconds: float | None = None
    anchor: str | None = None
    key: str = ""
    speaker: str = ""

    @property
    def language(self) -> str:
        """The dialect as multilingual systems call it: zh for all that are Mandarin, else its code."""
        return "zh" if self.dialect.partition("-")[0] in ("cmn", "zh", "") else self.dialect


Value = Callable[[Line], Any]


@dataclass(frozen=True)
class ListFormat:
    """A trainer's keys and what stands under each; in JSON Lines a key whose value is None is left out.

    `style` csv is read by a csv reader at |, with a header of the keys; bars is cut at each |, without one.
    """

    keys: Mapping[str, Value]
    file: str = "{split}.jsonl"
    style: Literal["jsonl", "csv", "bars"] = "jsonl"

    @property
    def header(self) -> str:
        """The first line with its end, or nothing."""
        return _table_line(list(self.keys)) if self.style == "csv" else ""

    def line(self, line: Line) -> str:
        """One line with its end."""
        values = {key: value(line) for key, value in self.keys.items()}
        if self.style == "csv":
            return _table_line(list(values.values()))
        if self.style == "bars":
            return "|".join(one_line(str(value)).replace("|", "｜") for value in values.values()) + "\n"
        told = json.dumps({key: value for key, value in values.items() if value is not None}, ensure_ascii=False)
        return told.translate(_LINE_ENDS) + "\n"


def one_line(text: str) -> str:
    """A text without line ends, its blanks and tabs as single blanks."""
    return " ".join(text.split())


def _table_line(values: Sequence[Any]) -> str:
    """A line of CSV at |; no spreadsheet computes a cell."""
    line = io.StringIO()
    cells = [formula_defused(one_line(value)) if isinstance(value, str) else value for value in values]
    csv.writer(line, delimiter="|", lineterminator="\n").writerow(cells)
    return line.getvalue()


def _seconds(line: Line) -> float:
    return round(line.seconds, 3)


def _reference_seconds(line: Line) -> float | None:
    return None if line.reference_seconds is None else round(line.reference_seconds, 3)


def _qwen3_asr(line: Line) -> str:
    return f"language {'Cantonese' if line.language == 'yue' else 'Chinese'}<asr_text>{line.text}"


_SOUND, _TEXT, _KEY, _LANGUAGE = (attrgetter(name) for name in ("sound", "text", "key", "language"))
_SPEAKER = attrgetter("speaker")
VOXCPM = ListFormat(
    {
        "audio": _SOUND,
        "text": _TEXT,
        "duration": _seconds,
        "dataset_id": lambda line: 0,
        "dialect": attrgetter("dialect"),
        "ref_audio": attrgetter("reference"),
        "ref_duration": _reference_seconds,
    }
)
LISTS: dict[str, ListFormat] = {
    "voxcpm": VOXCPM,
    # Its authors advise one reference for all clips of a speaker.
    "qwen3-tts": ListFormat({"audio": _SOUND, "text": _TEXT, "ref_audio": lambda line: line.anchor or line.sound}),
    "dots-tts": ListFormat({"fid": _KEY, "audio": _SOUND, "text": _TEXT}),
    "moss-tts": ListFormat({"audio": _SOUND, "text": _TEXT, "language": _LANGUAGE}),
    "omnivoice": ListFormat({"id": _KEY, "audio_path": _SOUND, "text": _TEXT, "language_id": _LANGUAGE}),
    "qwen3-asr": ListFormat({"audio": _SOUND, "text": _qwen3_asr}),
    # source_len counts frames of 10 ms, target_len characters.
    "funasr": ListFormat(
        {
            "key": _KEY,
            "source": _SOUND,
            "source_len": lambda line: round(line.seconds * 100),
            "target": _TEXT,
            "target_len": lambda line: len(line.text),
        }
    ),
    "nemo": ListFormat(
        {
            "audio_filepath": _SOUND,
            "duration": _seconds,
            "text": _TEXT,
            "speaker": _SPEAKER,
            "lang": _LANGUAGE,
            "dialect": attrgetter("dialect"),
        },
        "{split}_manifest.json",
    ),
    "gpt-sovits": ListFormat(
        {
            "vocal_path": _SOUND,
            "speaker_name": _SPEAKER,
            "language": lambda line: "yue" if line.language == "yue" else "zh",
            "text": _TEXT,
        },
        "{split}.list",
        "bars",
    ),
    "f5-tts": ListFormat({"audio_file": _SOUND, "text": _TEXT}, "{split}/metadata.csv", "csv"),
}
"""By name of the export: what its trainer reads."""


class ListWriter:
    """Sound files below `audio/`, and a list for each split in a trainer's format, with absolute paths."""

    def __init__(self, name: str, out: Path, options: Options) -> None:
        self._form = LISTS[name]
        self._out = out
        self._sounds = Sounds(out, options.encoding)

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """Lists first, then sounds, as a reader meets them."""
        sounds: list[Path] = []
        with LineFiles(self._out) as lists:
            for clip in clips:
                file = self._sounds.put(clip)
                sounds.append(file)
                name = self._form.file.format(split=safe_name(clip.split))
                if name not in lists.names:
                    lists.add(name, self._form.header)
                lists.add(name, self._form.line(self._line(clip, file)))
        return [*lists.files, *sounds]

    def _line(self, clip: Clip, file: Path) -> Line:
        reference, anchor = clip.extra.get("reference"), clip.extra.get("anchor")
        return Line(
            sound=str(file),
            text=clip.text,
            seconds=clip.duration,
            dialect=clip.dialect,
            reference=str(self._sounds.place(clip.split, reference)) if reference else None,
            reference_seconds=clip.extra.get("reference_duration"),
            anchor=str(self._sounds.place(clip.split, anchor)) if anchor else None,
            key=safe_name(clip.segment_id),
            speaker=safe_name(clip.speaker),
        )
