"""The page of one segment: waveform and text as it is heard, hypotheses, scores, where it came from, corrections."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from desk import segment_rows, standing
from desk.offer import Offer, offer
from desk.pages import render
from desk.routes import page
from pipeline.corrections.store import Corrections
from pipeline.lake.rows import Row
from pipeline.rights.consents import CONSENTS_FILE, read_consents
from pipeline.text import dialects

SCORES = (
    *("confidence", "agreement", "align_score", "asr_avg_logprob", "language_probability", "text_disagreement"),
    *("speaking_rate", "dnsmos_ovrl", "dnsmos_sig", "dnsmos_bak", "dnsmos_p808", "snr_db", "bandwidth_hz"),
    *("loudness_lufs", "overlap_share"),
)
GIVEN = ("given_text", "given_speaker", "gloss", "ipa", "place", "remarks")


def address(segment_id: str, sample: str | None = None) -> str:
    """The path of a segment's page; `sample` is what offered it."""
    return f"/segment/{quote(segment_id, safe='')}" + (f"?{urlencode({'sample': sample})}" if sample else "")


def found(request: Request) -> segment_rows.Segment:
    """The segment that the path names. Raises HTTPException 404 if there is none that may be shown."""
    desk = request.app.state.desk
    segment_id = request.path_params["segment_id"]
    recording = desk.recording(segment_id.rsplit("-", 2)[0])
    segment = recording and segment_rows.find(desk.lake, recording["batch"], segment_id)
    if not segment:
        raise HTTPException(404, f"there is no segment {segment_id} that may be shown: it was cut anew, or withdrawn")
    return segment


def seen_by(request: Request, row: Row, sample: object) -> tuple[Offer, standing.Standing]:
    """What offered a segment to who asks, by the `sample` that the link names, and what it says to them."""
    desk = request.app.state.desk
    corrections = Corrections.of(desk.settings).of_recording(row["recording_id"])
    offered = offer(desk.lake, row, corrections, request.state.user.name, sample)
    return offered, standing.of_segment(row, corrections, offered.blind_text)


def segment(request: Request) -> Response:
    """`/segment/{segment_id}`; `?sample=` names what offered it."""
    desk, shown = request.app.state.desk, found(request)
    row, recording_id = shown.row, shown.row["recording_id"]
    offered, now = seen_by(request, row, request.query_params.get("sample"))
    sample = offered.sample
    before, after = shown.neighbours
    original = f"/audio/recording/{quote(recording_id, safe='')}"
    own = address(row["segment_id"])
    facts = {
        "segment_id": row["segment_id"],
        "audio": f"/audio{own}",
        "original": original,
        "start": row["start"],
        "end": row["end"],
        "duration": shown.recording["duration"],
        "fields": standing.EDITABLE,
        "seen": now.seen,
        "sample": sample,
        "may_correct": "correct" in request.state.user.roles,
        "save": f"{own}/correct",
        "undo": "/undo",
        "next": "/queue/next" if sample else address(after) if after else None,
        "previous": address(before) if before else None,
    }
    return render(
        request,
        "segment.html",
        now=now,
        facts=facts,
        sample=sample,
        blind=offered.blind_text is not None,
        dialects=[(each.code, each.name) for each in dialects.REGISTRY.values()],
        speakers=sorted({*_speakers(desk, shown.row)}),
        given=[(name, row[name]) for name in GIVEN if row.get(name)],
        **_parts(request, shown),
    )


def glance(request: Request) -> Response:
    """`/segment/{segment_id}/glance`: a piece of a page, which the list of found segments opens in its place."""
    shown = found(request)
    row = shown.row
    facts = {"audio": f"/audio{address(row['segment_id'])}", "start": row["start"], "may_correct": False}
    names = [said.recognizer for said in shown.hypotheses]
    return render(request, "glance.html", facts=facts, recognisers=names, **_parts(request, shown))


def _parts(request: Request, shown: segment_rows.Segment) -> dict[str, Any]:
    """What the pieces that both pages have in common are filled with."""
    row = shown.row
    return {
        "shown": shown,
        "row": row,
        "consent": _consent(request.app.state.desk.settings, row["consent_id"]),
        "language": _language(row["dialect"]),
        "scores": [(name, row[name]) for name in SCORES if row.get(name) is not None],
    }


def _consent(settings: Any, consent_id: str | None) -> Any:
    consents, _ = read_consents(settings.landing / CONSENTS_FILE)
    return next((each for each in consents if each.consent_id == consent_id), None)


def _speakers(desk: Any, row: Row) -> list[str]:
    rows = segment_rows.select(desk.lake, "speakers", "all", {"recording_id": row["recording_id"]}, ["speaker_id"])
    return [each["speaker_id"] for each in rows] or [row["local_speaker"] or ""]


def _language(dialect: str | None) -> str:
    """The language tag of the text, by which a browser chooses its characters."""
    try:
        return dialects.get(dialect or "").language_tag
    except dialects.UnknownDialectError:
        return "und"


ROUTES = [page("/segment/{segment_id}", segment), page("/segment/{segment_id}/glance", glance)]
