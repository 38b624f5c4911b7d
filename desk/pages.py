"""Templates to pages. Everything that comes from recordings, texts or users is escaped by Jinja2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

NAVIGATION = [("/", "Overview"), ("/browse", "Browse"), ("/queue", "Queue"), ("/releases", "Releases")]
"""Path and name of what the top of every page leads to."""

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(request: Request, template: str, status: int = 200, **facts: Any) -> HTMLResponse:
    """A page of `templates/`; every template knows `user`, `csrf`, `nonce`, `path` and `navigation` too."""
    state = request.state
    common = {"user": state.user, "csrf": state.csrf, "nonce": state.nonce, "path": request.url.path}
    common |= {"navigation": NAVIGATION, "signs_in": request.app.state.desk.users.required}
    return HTMLResponse(_templates.get_template(template).render(**common | facts), status)


async def problem(request: Request, error: Exception) -> Response:
    """The page, or for a program the JSON, that says what went wrong. No traceback leaves the server."""
    known = isinstance(error, HTTPException)
    status = error.status_code if known else 500
    words = error.detail if known else "the desk failed here; its terminal says more"
    headers = error.headers if known else None
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": words}, status, headers)
    response = render(request, "problem.html", status, title=_TITLES.get(status, "Not done"), words=words)
    response.headers.update(headers or {})
    return response


_TITLES = {403: "Not allowed", 404: "Not found", 429: "Too often", 500: "Something broke"}


def _hours(seconds: float | None) -> str:
    hours = (seconds or 0.0) / 3600
    return f"{hours:,.0f} h" if hours >= 100 else f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _clock(seconds: float | None) -> str:
    """Seconds as 1:02:03.4 or 2:03.4."""
    whole, tenth = divmod(round((seconds or 0.0) * 10), 10)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}.{tenth}" if hours else f"{minutes}:{left:02}.{tenth}"


_templates.filters |= {"hours": _hours, "number": _number, "clock": _clock}
