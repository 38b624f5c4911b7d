"""RTTM (NIST Rich Transcription): who speaks when, one file a recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.exchange.by_recording import write_each
from pipeline.exchange.exports import Clip, Options
from pipeline.exchange.sound_files import safe_name


class Rttm:
    """A line for each segment; the speaker is the one linked across recordings."""

    def __init__(self, out: Path, options: Options) -> None:
        self._out = out

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """One file a recording."""
        return write_each(self._out, "rttm", clips, _lines)


def _lines(name: str, clips: Sequence[Clip]) -> str:
    rows = [
        f"SPEAKER {name} 1 {clip.start:.3f} {clip.duration:.3f} <NA> <NA> {safe_name(clip.speaker)} <NA> <NA>\n"
        for clip in clips
    ]
    return "".join(rows)
