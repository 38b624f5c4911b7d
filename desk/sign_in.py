"""Signing in and out. A wrong name and a wrong token get the same answer, and not often."""

from __future__ import annotations

import math

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from desk.pages import render
from desk.routes import action, page
from desk.sessions import COOKIE, SESSION_SECONDS
from desk.state import Desk
from pipeline.rights.audit import AuditBroken

_WRONG = "No user has this name and token."


def sign_in_form(request: Request) -> Response:
    """The form; whoever is signed in is led on."""
    wanted = _inside(request.query_params.get("next", "/"))
    if request.state.user is not None:
        return RedirectResponse(wanted, 303)
    return render(request, "sign_in.html", wanted=wanted, wrong="")


async def sign_in(request: Request) -> Response:
    """Begin a session with name and token; the log is told of both outcomes and never of a token."""
    desk: Desk = request.app.state.desk
    if not desk.users.required:
        return RedirectResponse("/", 303)
    form = await request.form()
    name, token = (str(form.get(key, "")).strip() for key in ("name", "token"))
    wanted = _inside(str(form.get("next", "/")))
    address = request.client.host if request.client else "?"
    keys = (f"from {address}", f"as {name[:64]}")
    wait = max(limit.wait(key) for limit, key in zip(desk.limits, keys, strict=True))
    if wait:
        words = f"too many tries; wait {math.ceil(wait)} s"
        raise HTTPException(429, words, {"Retry-After": str(math.ceil(wait))})
    user = desk.users.find(name, token)
    if user is None:
        for limit, key in zip(desk.limits, keys, strict=True):
            limit.failed(key)
        known = name if name in desk.users.all() else "unknown"
        desk.log(known, "desk.sign_in.refused", known, {"address": address})
        return render(request, "sign_in.html", 403, wanted=wanted, wrong=_WRONG)
    try:
        desk.log(user.name, "desk.sign_in", user.name, {"address": address})
    except AuditBroken as error:
        raise HTTPException(503, f"nobody can sign in: {error}") from None
    response = RedirectResponse(wanted, 303)
    cookie = desk.sessions.begin(user.name, user.token_sha256)
    secure = request.url.scheme == "https" or desk.settings.desk.address.startswith("https:")
    response.set_cookie(
        COOKIE, cookie, max_age=int(SESSION_SECONDS), httponly=True, samesite="strict", secure=secure, path="/"
    )
    return response


def sign_out(request: Request) -> Response:
    """End the session."""
    desk: Desk = request.app.state.desk
    desk.sessions.end(request.state.session)
    desk.log(request.state.user.name, "desk.sign_out", request.state.user.name)
    response = RedirectResponse("/sign-in" if desk.users.required else "/", 303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


def alive(request: Request) -> Response:
    """For a load balancer: says nothing but that it runs."""
    return PlainTextResponse("alive")


def _inside(path: str) -> str:
    """A path of this desk, `/` for anything that leads elsewhere."""
    plain = path.isprintable() and path.startswith("/") and path[1:2] not in ("/", "\\")
    return path if plain else "/"


ROUTES = [
    page("/sign-in", sign_in_form, role=None),
    action("/sign-in", sign_in, role=None),
    action("/sign-out", sign_out, role="listen"),
    page("/alive", alive, role=None),
]
