"""What every request passes before it reaches a page: Host, Origin, size, who asks; and the headers of every answer."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from desk.sessions import COOKIE
from desk.state import Desk
from desk.users import User, UserError
from pipeline.access.hosts import host_name, is_this_machine

_log = logging.getLogger("fangyan.desk")
_READING = ("GET", "HEAD")
_PUBLIC = ("/sign-in", "/static/", "/alive")
_MOST_BYTES = 1_000_000
_LOCAL_SESSION = "local"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Without a referrer browsers send `Origin: null` with a form of our own.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """Sets `request.state.user` (None: nobody), `.csrf` and `.nonce` (for styles that a script writes)."""

    def __init__(self, app: ASGIApp, desk: Desk, hosts: Sequence[str]) -> None:
        self._app, self._desk = app, desk
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        state["nonce"] = secrets.token_urlsafe(16)
        state["user"], state["csrf"], state["session"] = None, "", ""
        answering = _with_headers(send, state["nonce"], scope["path"])
        refused = self._refusal(scope, headers) or self._identify(scope, headers)
        if refused is not None:
            await refused(scope, receive, answering)
            return
        try:
            await self._app(scope, _limited(receive), answering)
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"])
            await PlainTextResponse("the desk failed here; its terminal says why", 500)(scope, receive, answering)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        name = host_name(host)
        if name not in self._hosts:
            # A page from elsewhere may have had its own name point to this machine.
            words = f"this desk does not answer to {host[:200]!r}; [desk] address in fangyan.toml names it"
            return PlainTextResponse(words, 400)
        if scope["method"] not in _READING:
            origin, site = headers.get("origin"), headers.get("sec-fetch-site")
            if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
                return PlainTextResponse("this came from another site and was not done", 403)
            if origin is None and site not in (None, "same-origin"):
                return PlainTextResponse("this came from another site and was not done", 403)
            if (
                not headers.get("content-length", "0").isdecimal()
                or int(headers.get("content-length", 0)) > _MOST_BYTES
            ):
                return PlainTextResponse(f"more than {_MOST_BYTES} bytes are not taken", 413)
        return None

    def _identify(self, scope: Scope, headers: Headers) -> Response | None:
        """Find out who asks; a Response where nobody may come in."""
        state, users = scope["state"], self._desk.users
        if not users.required:
            if not is_this_machine(scope):
                return PlainTextResponse("this desk has no users: it answers to its own machine alone", 403)
            state["user"], state["session"] = users.local(), _LOCAL_SESSION
        else:
            cookie = _cookie(headers)
            try:
                state["user"] = self._signed_in(cookie)
            except UserError as error:
                return PlainTextResponse(str(error), 503)
            state["session"] = cookie if state["user"] else ""
        if state["user"]:
            state["csrf"] = self._desk.sessions.csrf(state["session"])
            return None
        if any(scope["path"] == path or (path.endswith("/") and scope["path"].startswith(path)) for path in _PUBLIC):
            return None
        if scope["method"] in _READING and "text/html" in headers.get("accept", ""):
            wanted = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
            return RedirectResponse(f"/sign-in?next={quote(wanted, safe='')}", 303)
        return PlainTextResponse("sign in first", 401)

    def _signed_in(self, cookie: str) -> User | None:
        session = self._desk.sessions.of(cookie) if cookie else None
        user = self._desk.users.all().get(session.name) if session else None
        return user if user and session and user.token_sha256 == session.token_sha256 else None


def _with_headers(send: Send, nonce: str, path: str) -> Send:
    policy = (
        "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
        f"style-src 'self' 'nonce-{nonce}'; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )

    async def answering(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers["Content-Security-Policy"] = policy
            # What a consent allows today it may not allow tomorrow: nothing but our own files is kept by a browser.
            headers["Cache-Control"] = "no-cache" if path.startswith("/static/") else "no-store"
        await send(message)

    return answering


def _limited(receive: Receive) -> Receive:
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return message if taken <= _MOST_BYTES else {"type": "http.disconnect"}

    return limited


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
