"""The first page: hours by dialect, tier, split and speaker, where hours were lost, what came in, what waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from desk.allowed import stamp_of
from desk.pages import render
from desk.routes import page
from desk.state import Desk
from pipeline import stage_list
from pipeline.corrections.store import Corrections
from pipeline.lake.query_result import CatalogError
from pipeline.lake.rows import Row
from pipeline.review.quality import Quality, newest
from pipeline.review.samples import SampleError
from pipeline.text import dialects
from pipeline.text.dialects import UnknownDialectError

_WEEK = timedelta(days=7)
_SPEAKERS = 20
_REVIEWED = ("corrections", "review_samples")
_BY_DIALECT = """
    SELECT dialect, count(*) FILTER (decision = 'keep') AS segments, count(DISTINCT speaker_id) FILTER
        (decision = 'keep') AS speakers, sum(duration) FILTER (decision = 'keep') AS kept,
        sum(duration) FILTER (decision = 'keep' AND split = 'train') AS train,
        sum(duration) FILTER (decision = 'keep' AND split = 'dev') AS dev,
        sum(duration) FILTER (decision = 'keep' AND split = 'test') AS test
    FROM segments WHERE recording_id NOT IN (SELECT unnest($refused)) GROUP BY dialect ORDER BY kept DESC, dialect
"""
_BY_TIER = """
    SELECT coalesce(tier, '') AS tier, count(*) AS segments, sum(duration) AS kept FROM segments
    WHERE decision = 'keep' AND recording_id NOT IN (SELECT unnest($refused)) GROUP BY 1 ORDER BY 1
"""
_BY_SPEAKER = """
    SELECT speaker_id, min(dialect) AS dialect, count(*) AS segments, sum(duration) AS kept, min(split) AS split
    FROM segments WHERE decision = 'keep' AND recording_id NOT IN (SELECT unnest($refused))
    GROUP BY speaker_id ORDER BY kept DESC, speaker_id LIMIT $most
"""
_WAITING = """
    SELECT review_reason, count(*) AS segments, sum(duration) AS seconds FROM segments
    WHERE decision = 'keep' AND review_reason IS NOT NULL AND recording_id NOT IN (SELECT unnest($refused))
    GROUP BY 1 ORDER BY segments DESC
"""
_LANDED = """
    SELECT dialect, collection, count(*) AS recordings, sum(duration) AS seconds, max(landed_at) AS last
    FROM recordings WHERE status = 'ok' AND landed_at >= $since AND recording_id NOT IN (SELECT unnest($refused))
    GROUP BY ALL ORDER BY last DESC
"""


def overview(request: Request) -> Response:
    """Figures of what may be shown; losses are of everything that landed."""
    desk: Desk = request.app.state.desk
    refused = desk.refused()
    key = "overview", desk.index.version, desk.allowed.version, datetime.now(UTC).date()
    figures = desk.counts.get(key)
    if figures is None:
        figures = _figures(desk, refused)
        desk.counts.put(key, figures)
    quality, problem = _quality(desk)
    return render(request, "overview.html", **figures, quality=quality, problem=problem)


def _figures(desk: Desk, refused: list[str]) -> dict[str, Any]:
    chosen = {"refused": refused}
    by_dialect = desk.index.scan(_BY_DIALECT, chosen)
    since = datetime.now(UTC) - _WEEK
    return {
        "by_dialect": by_dialect,
        "total": sum(row["kept"] or 0.0 for row in by_dialect),
        "names": names_of([row["dialect"] for row in by_dialect]),
        "by_tier": desk.index.scan(_BY_TIER, chosen),
        "by_speaker": desk.index.scan(_BY_SPEAKER, chosen | {"most": _SPEAKERS}),
        "landed": desk.index.scan(_LANDED, chosen | {"since": since}),
        "waiting": desk.index.scan(_WAITING, chosen),
        "stages": _losses(desk),
        "withheld": len(refused),
    }


def _quality(desk: Desk) -> tuple[Quality | None, str]:
    """What the reviewed random sample says of the text, and why nothing can be said; kept until somebody corrects."""
    files = tuple(stamp_of(desk.lake.path(table, one)) for table in _REVIEWED for one in desk.lake.partitions(table))
    key = "quality", desk.index.version, files
    known = desk.counts.get(key)
    if known is None:
        try:
            known = {"quality": newest(desk.lake, Corrections.of(desk.settings).rows()), "problem": ""}
        except (SampleError, CatalogError, UnknownDialectError) as error:
            known = {"quality": None, "problem": str(error)}
        desk.counts.put(key, known)
    return known["quality"], known["problem"]


def names_of(codes: list[str | None]) -> dict[str | None, str]:
    """English names of dialect codes; a code that is not known is its own name."""
    return {code: dialects.REGISTRY[code].name if code in dialects.REGISTRY else code or "?" for code in codes}


def _losses(desk: Desk) -> list[dict[str, Any]]:
    """Of each stage in order: seconds in, passed on, and those that were not by reason."""
    rows = desk.index.rows("SELECT * FROM losses")
    stages: list[dict[str, Any]] = []
    for stage in (*stage_list.names(), "corpus"):
        own: list[Row] = [row for row in rows if row["stage"] == stage]
        if own:
            lost = [row for row in own if row["outcome"] != "passed" and row["hours"] > 0]
            passed = sum(row["hours"] for row in own if row["outcome"] == "passed")
            stages.append({"name": stage, "passed": passed, "came": sum(row["hours"] for row in own), "lost": lost})
    return stages


ROUTES = [page("/", overview)]
