"""The page of one recording: who speaks when, its segments, and what was dropped, where and why; all of it playable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from desk import recording_rows
from desk.pages import render
from desk.recording_rows import Stretch
from desk.routes import page
from desk.segment import address

_LINE_SECONDS = (30.0, 60.0, 120.0, 300.0, 600.0)
_MOST_LINES = 40
_COLOURS = 8


@dataclass(frozen=True)
class Line:
    """A line of the time line, `start` to `end` seconds, with what lies in it."""

    start: float
    end: float
    turns: list[Bar]
    segments: list[Bar]
    dropped: list[Bar]


@dataclass(frozen=True)
class Bar:
    """A stretch drawn from `x`, `width` wide, in thousandths of a line; `colour` is the number of its speaker's."""

    x: float
    width: float
    stretch: Stretch
    colour: int
    lane: int = 0


def recording(request: Request) -> Response:
    """`/recording/{recording_id}`."""
    desk = request.app.state.desk
    recording_id = request.path_params["recording_id"]
    row = desk.recording(recording_id)
    shown = row and recording_rows.find(desk.lake, row["batch"], recording_id)
    if not shown:
        raise HTTPException(404, f"there is no recording {recording_id} that may be shown")
    colours = {label: number % _COLOURS for number, (label, _) in enumerate(shown.speakers)}
    audio = f"/audio/recording/{quote(recording_id, safe='')}"

    def sound(stretch: Stretch) -> str:
        return f"{audio}?{urlencode({'start': f'{stretch.start:.3f}', 'end': f'{stretch.end:.3f}'})}"

    lines = lay(shown, colours)
    return render(
        request,
        "recording.html",
        shown=shown,
        row=shown.row,
        lines=lines,
        colours=colours,
        sound=sound,
        address=address,
    )


def lay(shown: recording_rows.Recording, colours: dict[str, int]) -> list[Line]:
    """The recording cut into lines of equal length, at most 40 of them where that can be."""
    duration = max(shown.row["duration"] or 0.0, 1.0)
    length = next((each for each in _LINE_SECONDS if duration / each <= _MOST_LINES), _LINE_SECONDS[-1])
    lines = []
    for number in range(math.ceil(duration / length)):
        start, end = number * length, (number + 1) * length
        parts = [
            [_bar(each, start, length, colours) for each in stretches if each.start < end and each.end > start]
            for stretches in (shown.turns, shown.segments, shown.dropped)
        ]
        lines.append(Line(start, min(end, duration), *parts))
    return lines


def _bar(stretch: Stretch, start: float, length: float, colours: dict[str, int]) -> Bar:
    begin, end = max(stretch.start, start), min(stretch.end, start + length)
    x, width = (begin - start) / length * 1000, max(2.0, (end - begin) / length * 1000)
    return Bar(round(x, 2), round(width, 2), stretch, colours.get(stretch.speaker, 0), int(stretch.stage == "diarize"))


ROUTES = [page("/recording/{recording_id}", recording)]
