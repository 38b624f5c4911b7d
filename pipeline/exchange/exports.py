"""The formats of export: one list, one file a writer. A writer gets clips and lays down files; nothing here knows of
the lake, of consents or of how sound is encoded."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Encoding = Literal["flac", "wav"]


@dataclass(frozen=True)
class Clip:
    """One segment as it is handed over: text in the script asked for, sound encoded as asked for.

    `start` and `end` are seconds of the original recording; `duration` is theirs, in seconds. `sound` makes the bytes
    of the FLAC or WAV file, which `audio` asks for: a writer that finds its file there already does not. `extra` may
    hold `source`, `gloss`, `ipa`, `place`, `characters`, `romanization`, scores, `reference` (segment_id of another
    clip of the speaker) and `reference_duration`.
    """

    segment_id: str
    recording_id: str
    start: float
    end: float
    text: str
    dialect: str
    speaker: str
    split: str
    tier: str | None
    sample_rate: int
    duration: float
    sound: Callable[[], bytes] = field(repr=False, compare=False)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def audio(self) -> bytes:
        """The bytes of its sound file."""
        return self.sound()


@dataclass(frozen=True)
class Options:
    """What a writer must know besides its clips. `facts` are what a description says of the whole, by name."""

    encoding: Encoding = "flac"
    title: str = "Fangyan export"
    facts: Mapping[str, Any] = field(default_factory=dict)


class Writer(Protocol):
    """Lays clips down below a folder; called again after it was killed, it leaves what is there whole as it is."""

    def __init__(self, out: Path, options: Options) -> None: ...

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """The files that hold the export, all of them, in the same order each time."""
        ...


@dataclass(frozen=True)
class ExportFormat:
    """`code` is the module and the class of its writer, or what makes one, imported when asked for.

    `encoding` is how its readers like sound; None: it holds no sound. `columns` are further columns of the view
    segments that it needs in `extra`.
    """

    code: str
    about: str
    encoding: Encoding | None = "flac"
    columns: tuple[str, ...] = ()

    @property
    def writer(self) -> Callable[[Path, Options], Writer]:
        module, _, name = self.code.partition(":")
        return getattr(importlib.import_module(module), name)


EXPORTS: dict[str, ExportFormat] = {
    "voxcpm": ExportFormat("pipeline.exchange.lists:VoxCPM", "VoxCPM's JSON Lines, with reference clips"),
    "qwen3-tts": ExportFormat("pipeline.exchange.lists:Qwen3TTS", "Qwen3-TTS' JSON Lines, with reference clips"),
}
"""By name, as `fangyan export` takes it."""
