"""Sound by HTTP ranges: of a segment out of its Parquet file, of any span of a recording out of the landed file."""

from __future__ import annotations

import math

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from desk.ranges import ranged
from desk.routes import page
from desk.state import Desk
from pipeline.errors import BadRecording

_NOT_HERE = "there is no such recording here, or no consent covers it now"


def segment_sound(request: Request) -> Response:
    """FLAC of a segment as the corpus has it; of a dropped one, which has none, the span of the original."""
    desk: Desk = request.app.state.desk
    found = desk.index.sound(request.path_params["segment_id"])
    if found is None or not desk.allowed.has(found["recording_id"]):
        raise HTTPException(404, _NOT_HERE)
    sound = desk.clips.sound(found)
    if sound is None:
        sound = _span(desk, found["recording_id"], found["start"], found["end"])
    return ranged(sound, "audio/flac", request.headers.get("range"))


def recording_sound(request: Request) -> Response:
    """FLAC of `start` to `end` (seconds) of a recording as it landed, mono."""
    desk: Desk = request.app.state.desk
    try:
        start, end = (float(request.query_params[name]) for name in ("start", "end"))
    except (KeyError, ValueError):
        raise HTTPException(400, "give start and end in seconds: ?start=1.5&end=4") from None
    if not (math.isfinite(start) and math.isfinite(end)) or not 0 <= start < end:
        raise HTTPException(400, "start must be 0 or more and end after it")
    sound = _span(desk, request.path_params["recording_id"], start, end)
    return ranged(sound, "audio/flac", request.headers.get("range"))


def _span(desk: Desk, recording_id: str, start: float, end: float) -> bytes:
    recording = desk.recording(recording_id)
    if recording is None:
        raise HTTPException(404, _NOT_HERE)
    try:
        return desk.originals.span(recording, start, end, recording_id in desk.allowed.ids_in_part())
    except BadRecording as error:
        raise HTTPException(404, str(error)) from None


ROUTES = [
    page("/audio/segment/{segment_id}", segment_sound),
    page("/audio/recording/{recording_id}", recording_sound),
]
