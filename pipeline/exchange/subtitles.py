"""Subtitles: SubRip (.srt), WebVTT (.vtt), and by pysubs2 the formats of Aegisub (.ass, .ssa) with their speakers.

SubRip and WebVTT are read here: pysubs2 takes a last line of digits for a cue's number and comments for text.
"""

from __future__ import annotations

import html
import re

from pipeline.exchange.given import GivenLine, Transcript, TranscriptError, ordered
from pipeline.settings import GivenText

_MOMENT = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_MOMENT}\s*-->\s*{_MOMENT}(?:\s.*)?")
_TAG = re.compile(r"</?[a-zA-Z0-9:][^<>]*>|\{\\[^{}]*\}")
_VOICE = re.compile(r"<v(?:\.[\w.]+)?\s+([^>]+)>")


def read(text: str, settings: GivenText) -> Transcript:
    """The cues of a .srt or .vtt file; `<v Name>` names the speaker, other tags are left out."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    is_vtt = lines[0].strip().startswith("WEBVTT")
    starts = [number for number, line in enumerate(lines) if _TIMES.fullmatch(line)]
    if not starts:
        raise TranscriptError("has no line with times (00:00:01,000 --> 00:00:02,500); save it as subtitles again")
    found = []
    for place, number in enumerate(starts):
        stop = starts[place + 1] if place + 1 < len(starts) else len(lines)
        match = _TIMES.fullmatch(lines[number])
        assert match is not None
        body = _body(lines[number + 1 : stop], last=place + 1 == len(starts), is_vtt=is_vtt)
        start, end = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
        voice = _VOICE.search(body)
        speaker = html.unescape(voice[1]).strip() if voice else None
        found.append(GivenLine(start, end, _plain(body, is_vtt), speaker))
    return Transcript(ordered(found))


def read_aegisub(text: str, settings: GivenText) -> Transcript:
    """The events of an .ass or .ssa file; the field Name is the speaker."""
    import pysubs2
    from pysubs2.exceptions import Pysubs2Error

    try:
        file = pysubs2.SSAFile.from_string(text)
    except (Pysubs2Error, ValueError) as error:
        raise TranscriptError(f"is not read as Aegisub's: {error}; export it again") from None
    events = [event for event in file if not event.is_comment]
    return Transcript(
        ordered(
            [
                GivenLine(event.start / 1000, event.end / 1000, _one_line(event.plaintext), event.name.strip() or None)
                for event in events
            ]
        )
    )


def _body(lines: list[str], last: bool, is_vtt: bool) -> str:
    """The text below a line of times: without the next cue's number or name, and without comments."""
    if is_vtt:
        # A blank line ends a cue; comments, styles and the next one's name come after it.
        stop = next((number for number, line in enumerate(lines) if not line.strip()), len(lines))
        return "\n".join(lines[:stop])
    if not last:
        while lines and not lines[-1].strip():
            lines = lines[:-1]
        if lines and lines[-1].strip().isdigit() and (len(lines) == 1 or not lines[-2].strip()):
            lines = lines[:-1]
    return "\n".join(lines)


def _plain(body: str, is_vtt: bool) -> str:
    without = _TAG.sub("", body)
    return _one_line(html.unescape(without) if is_vtt else without)


def _one_line(text: str) -> str:
    parts = [part.strip() for part in text.split("\n") if part.strip()]
    joined = ""
    for part in parts:
        joined += (" " if joined and joined[-1].isascii() and part[0].isascii() else "") + part
    return joined


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000
