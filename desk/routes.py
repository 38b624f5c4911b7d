"""Routes that say who may ask for them. A page is read; an action changes something and needs the CSRF token."""

from __future__ import annotations

import hmac
import inspect
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.users import Role

Endpoint = Callable[[Request], Any]
TOKEN_FIELD = "csrf"
TOKEN_HEADER = "x-csrf-token"


def page(path: str, endpoint: Endpoint, role: Role | None = "listen") -> Route:
    """A GET route for users with `role`; None: for everybody. A plain function is run in a thread of its own."""
    return Route(path, _for(role, endpoint), methods=["GET"], name=endpoint.__name__)


def action(path: str, endpoint: Endpoint, role: Role | None) -> Route:
    """A POST route for users with `role`, who send the token of their session as field `csrf` or X-CSRF-Token."""
    return Route(path, _for(role, endpoint, is_action=True), methods=["POST"], name=endpoint.__name__)


def _for(role: Role | None, endpoint: Endpoint, is_action: bool = False) -> Endpoint:
    async def guarded(request: Request) -> Response:
        user = request.state.user
        if role is not None and (user is None or role not in user.roles):
            name = user.name if user else "nobody"
            raise HTTPException(403, f"{name} has not the role {role}; `fangyan desk user add` gives roles")
        if is_action and role is not None:
            await _check_token(request)
        if inspect.iscoroutinefunction(endpoint):
            return await endpoint(request)
        return await run_in_threadpool(endpoint, request)

    guarded.role = role  # type: ignore[attr-defined]
    return guarded


async def _check_token(request: Request) -> None:
    given = request.headers.get(TOKEN_HEADER)
    if given is None:
        given = (await request.form()).get(TOKEN_FIELD)
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), request.state.csrf.encode()):
        raise HTTPException(403, "this page is too old or was not made by this desk: load it again and repeat")
