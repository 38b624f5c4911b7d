"""The formats of transcripts that are read, the fullest first; one entry a format."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.exchange.encoding import decode
from pipeline.exchange.given import Transcript, TranscriptError
from pipeline.settings import GivenText


@dataclass(frozen=True)
class TranscriptFormat:
    """`code` is the module and the function from a text to a Transcript, imported when asked for."""

    extension: str
    code: str
    name: str

    @property
    def reader(self) -> Callable[[str, GivenText], Transcript]:
        module, _, function = self.code.partition(":")
        return getattr(importlib.import_module(module), function)


FORMATS: tuple[TranscriptFormat, ...] = (
    TranscriptFormat("eaf", "pipeline.exchange.elan:read", "ELAN"),
    TranscriptFormat("textgrid", "pipeline.exchange.textgrid:read", "Praat TextGrid"),
    TranscriptFormat("stm", "pipeline.exchange.stm:read", "STM"),
    TranscriptFormat("ass", "pipeline.exchange.subtitles:read_aegisub", "Aegisub subtitles"),
    TranscriptFormat("ssa", "pipeline.exchange.subtitles:read_aegisub", "Aegisub subtitles"),
    TranscriptFormat("vtt", "pipeline.exchange.subtitles:read", "WebVTT subtitles"),
    TranscriptFormat("srt", "pipeline.exchange.subtitles:read", "SubRip subtitles"),
    TranscriptFormat("ctm", "pipeline.exchange.ctm:read", "CTM"),
    TranscriptFormat("lab", "pipeline.exchange.text_files:read", "labels"),
    TranscriptFormat("txt", "pipeline.exchange.text_files:read", "plain text"),
)


def format_of(name: str) -> TranscriptFormat | None:
    """The format of a file by its name's ending, None if it is none of these."""
    extension = name.rpartition(".")[2].casefold()
    return next((one for one in FORMATS if one.extension == extension), None)


def read_transcript(content: bytes, name: str, settings: GivenText) -> Transcript:
    """The lines in a file's bytes. Raises TranscriptError: its message goes on after the file's name."""
    found = format_of(name)
    if found is None:
        raise TranscriptError(f"has no format that is read; there are {', '.join(one.extension for one in FORMATS)}")
    text, note = decode(content, settings.encoding)
    transcript = found.reader(text, settings)
    notes = (note, *transcript.notes) if note else transcript.notes
    lines = transcript.lines
    if not any(line.text.strip() for line in lines):
        raise TranscriptError("has no text in it; look at its tiers, or delete it")
    bad = next(
        (line for line in lines if line.start is not None and (line.start < 0 or (line.end or 0) < line.start)), None
    )
    if bad is not None:
        raise TranscriptError(f"has a line from {bad.start:g} to {bad.end:g} s; mend its times")
    return Transcript(lines, notes)
