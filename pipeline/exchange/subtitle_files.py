"""SubRip and WebVTT: the segments of a recording as subtitles, one file a recording."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.exchange.by_recording import write_each
from pipeline.exchange.exports import Clip, Options
from pipeline.exchange.lists import one_line


class Srt:
    """SubRip: the text alone, as most players show it."""

    def __init__(self, out: Path, options: Options) -> None:
        self._out = out

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """One file a recording."""
        return write_each(self._out, "srt", clips, _srt)


class Vtt:
    """WebVTT, with the speaker of each cue in <v>."""

    def __init__(self, out: Path, options: Options) -> None:
        self._out = out

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """One file a recording."""
        return write_each(self._out, "vtt", clips, _vtt)


def _srt(name: str, clips: Sequence[Clip]) -> str:
    cues = [
        f"{number}\n{_time(clip.start, ',')} --> {_time(clip.end, ',')}\n{one_line(clip.text).replace('-->', '→')}\n"
        for number, clip in enumerate(clips, 1)
    ]
    return "\n".join(cues)


def _vtt(name: str, clips: Sequence[Clip]) -> str:
    return "WEBVTT\n\n" + "\n".join(cue(clip.start, clip.end, clip.speaker, clip.text) for clip in clips)


def cue(start: float, end: float, speaker: str, text: str) -> str:
    """A cue of WebVTT; `start` and `end` in seconds."""
    voice = f"<v {html.escape(one_line(speaker))}>" if speaker.strip() else ""
    return f"{_time(start, '.')} --> {_time(end, '.')}\n{voice}{html.escape(one_line(text), quote=False)}\n"


def _time(seconds: float, point: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{point}{milliseconds:03d}"
