"""Lists of segments: by facet, by words, by a SQL condition, or a random sample; a page costs the same anywhere."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from desk.pages import render
from desk.routes import page
from desk.state import Desk

_PAGE = 50


def browse(request: Request) -> Response:
    """One page of segments."""
    desk: Desk = request.app.state.desk
    rows = desk.index.rows(
        "SELECT * FROM segments WHERE recording_id NOT IN (SELECT unnest($refused)) ORDER BY place LIMIT $most",
        {"refused": desk.refused(), "most": _PAGE},
    )
    return render(request, "browse.html", rows=rows)


ROUTES = [page("/browse", browse)]
