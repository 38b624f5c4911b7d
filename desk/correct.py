"""Saves what a reviewer says of a segment, never over what another said meanwhile, and takes the last of it back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from desk import segment, standing
from desk.routes import action
from pipeline.corrections.correction import (
    Correction,
    CorrectionFlawed,
    correction,
    last_of_each,
    not_taken_back,
    taking_back,
)
from pipeline.corrections.store import CorrectionConflict, CorrectionRefused, Corrections
from pipeline.lake.tables import span_id

_UNDO_WITHIN = timedelta(hours=12)


async def correct(request: Request) -> Response:
    """POST `/segment/{segment_id}/correct` with JSON: values by field, accepted, seen, sample, listened_s.

    200: ids of the rows; 409: the rows that came since the page was made, and nothing was saved; 400: why not.
    """
    return await run_in_threadpool(_save, request, await _json(request))


def _save(request: Request, body: dict[str, Any]) -> Response:
    desk, who = request.app.state.desk, request.state.user.name
    row = segment.found(request).row
    store = Corrections.of(desk.settings)
    seen, values = _texts(body.get("seen")), body.get("values")
    if seen is None or not isinstance(values, dict) or _texts(list(values.values())) is None:
        raise HTTPException(400, "give values as texts by field, and seen as a list of ids")
    if surplus := sorted(values.keys() - set(standing.EDITABLE)):
        raise HTTPException(400, f"{', '.join(surplus)}: only {', '.join(standing.EDITABLE)} can be corrected")
    offered, seen_now = segment.seen_by(request, row, body.get("sample"))
    now = seen_now.fields
    if offered.blind_text is not None:
        # A second reviewer is not to know what the first one said, so there is nothing to choose between.
        seen = seen_now.seen
    listened = body.get("listened_s")
    more = {
        "at": datetime.now(UTC),
        "sample": offered.sample,
        "listened_s": float(listened) if isinstance(listened, int | float) and 0 <= listened < 1e6 else None,
    }
    span = (who, row["recording_id"], row["start"], row["end"])
    new = {field: value.strip() for field, value in values.items()}
    try:
        rows = [correction(*span, field, now[field] or None, value, **more) for field, value in new.items()]
        if body.get("accepted") is True:
            text = new.get("text", now["text"])
            rows.append(correction(*span, "accepted", now["text"] or None, text, **more))
        if not rows:
            raise HTTPException(400, "nothing was changed")
        store.add(rows, seen)
    except CorrectionConflict as conflict:
        theirs = last_of_each(not_taken_back(conflict.newer)) or conflict.newer
        ids = [one.correction_id for one in conflict.newer]
        return JSONResponse({"newer": [_shown(one) for one in theirs], "ids": ids}, 409)
    except (CorrectionFlawed, CorrectionRefused) as error:
        raise HTTPException(400, str(error)) from None
    desk.log(who, "desk.correct", row["segment_id"], {"fields": [one.field for one in rows]})
    return JSONResponse({"saved": [one.correction_id for one in rows]})


def undo(request: Request) -> Response:
    """POST `/undo`: take back all that this user saved last in one go, and say where that was."""
    desk, who = request.app.state.desk, request.state.user.name
    store = Corrections.of(desk.settings)
    every = store.rows()
    mine = [one for one in not_taken_back(every) if one.who == who and one.at > datetime.now(UTC) - _UNDO_WITHIN]
    if not mine:
        raise HTTPException(404, f"{who} has saved nothing in the last 12 hours that could be taken back")
    last = [one for one in mine if (one.at, one.recording_id) == (mine[-1].at, mine[-1].recording_id)]
    seen = [one.correction_id for one in every if one.at <= last[-1].at]
    try:
        store.add([taking_back(one, who) for one in last], seen)
    except CorrectionConflict as conflict:
        names = ", ".join(sorted({one.who for one in conflict.newer}))
        words = f"{names} corrected the same segment after you: open it and correct it anew"
        return JSONResponse({"error": words, "newer": [_shown(one) for one in conflict.newer]}, 409)
    except CorrectionRefused as error:
        raise HTTPException(400, str(error)) from None
    desk.log(who, "desk.undo", last[0].recording_id, {"fields": [one.field for one in last]})
    return JSONResponse({"segment": _where(last[0]), "fields": [one.field for one in last]})


def _where(one: Correction) -> str:
    return segment.address(span_id(one.recording_id, one.start, one.end), one.sample)


def _shown(one: Correction) -> dict[str, str | None]:
    at = one.at.strftime("%Y-%m-%d %H:%M")
    what = "took back: " if one.takes_back else ""
    return {"correction_id": one.correction_id, "who": one.who, "at": at, "field": one.field, "new": f"{what}{one.new}"}


def _texts(values: object) -> list[str] | None:
    """The list if it is one of texts alone."""
    return values if isinstance(values, list) and all(isinstance(value, str) for value in values) else None


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise HTTPException(400, "send a JSON object")
    return body


ROUTES = [
    action("/segment/{segment_id}/correct", correct, "correct"),
    action("/undo", undo, "correct"),
]
