"""Puts the desk together: one list of routes a subject, behind the guard."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from desk.guard import Guard
from desk.pages import problem
from desk.state import Desk
from pipeline.access.hosts import LOOPBACK
from pipeline.settings import Settings

SUBJECTS = ("sign_in", "overview", "browse", "audio", "segment", "correct", "recording", "queue", "releases")
"""Modules of this room with a list ROUTES, in the order in which a path is looked for."""


def create_app(workspace: Path, settings: Settings, hosts: Sequence[str] = LOOPBACK) -> Starlette:
    """The desk of a workspace; `hosts` are the names, without port, under which a browser may ask for it.

    `request.app.state.desk` is the `Desk`; `request.state.user` who asks, with `name` and `roles`.
    """
    routes: list[BaseRoute] = [Mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")]
    for subject in SUBJECTS:
        routes += import_module(f"desk.{subject}").ROUTES
    app = Starlette(routes=routes, exception_handlers={HTTPException: problem, 404: problem, 500: problem})
    app.state.desk = Desk(workspace, settings)
    app.add_middleware(Guard, desk=app.state.desk, hosts=hosts)
    return app
