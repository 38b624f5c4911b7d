"""What every request passes before it is served: Host, Origin, size, key and role; and the headers of every answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.access.hosts import host_name, is_this_machine
from pipeline.access.limits import FailureLimit
from pipeline.access.users import User, UserError, Users
from serve.errors import Refused

_log = logging.getLogger("fangyan.serve")
_PUBLIC = ("/", "/docs", "/openapi.json", "/healthz")
_MOST_BYTES = 1_000_000
ROLES = ("list", "speak", "watch")
"""list: models and voices, speak: speech, watch: /metrics. Everybody may list."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; media-src 'self' blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
}


def serve_users(workspace: Path) -> Users:
    """Who holds a key of the server of a workspace, in `<workspace>/serve/users.json`."""
    return Users(workspace, "serve", ROLES, prefix="sk-fangyan-")


class Guard:
    """Sets `request.state.user`; None on public paths."""

    def __init__(self, app: ASGIApp, users: Users, hosts: Sequence[str]) -> None:
        self._app, self._users = app, users
        self._hosts = {host.lower() for host in hosts}
        self._failures = FailureLimit(20, 60.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            scope.setdefault("state", {})["user"] = self._let_in(scope, headers)
        except Refused as refused:
            if scope["type"] == "websocket":
                await receive()
                await send(
                    {"type": "websocket.close", "code": 4400 + refused.status % 100, "reason": refused.message[:120]}
                )
            else:
                await refused.response()(scope, receive, _with_headers(send))
            return
        try:
            await self._app(scope, _limited(receive), _with_headers(send))
        except Exception:
            _log.exception("%s failed", scope["path"])
            raise

    def _let_in(self, scope: Scope, headers: Headers) -> User | None:
        path = scope["path"]
        host = headers.get("host", "")
        if not self._users.required and host_name(host) not in self._hosts:
            # A page from elsewhere may have had its own name point to this machine.
            raise Refused(400, f"this server has no keys and does not answer to {host[:200]!r}")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Refused(403, "this came from a page of another site and was not done")
        size = headers.get("content-length", "0")
        if not size.isdecimal() or int(size) > _MOST_BYTES:
            raise Refused(413, f"more than {_MOST_BYTES} bytes are not taken")
        if path in _PUBLIC or path.startswith("/static/"):
            return None
        return self._caller(scope, headers)

    def _caller(self, scope: Scope, headers: Headers) -> User:
        if not self._users.required:
            if not is_this_machine(scope):
                raise Refused(403, "this server has no keys: it answers to its own machine alone")
            return self._users.local()
        address = (scope.get("client") or ("?", 0))[0]
        if wait := self._failures.wait(address):
            raise Refused(429, "too many wrong keys; wait", retry_after=wait)
        token = _token(scope, headers)
        try:
            user = self._users.of_token(token) if token else None
        except UserError as error:
            raise Refused(503, str(error)) from None
        if user is None:
            if token:
                self._failures.failed(address)
            raise Refused(
                401, "give a key that holds, as `Authorization: Bearer KEY`; `fangyan serve key add` makes one"
            )
        return user


def require(user: User | None, role: str) -> User:
    """The caller, if the key has the role. Raises Refused."""
    if user is None or role not in user.roles:
        raise Refused(403, f"this key has not the role {role}; `fangyan serve key add` gives roles")
    return user


def _token(scope: Scope, headers: Headers) -> str:
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    if scope["type"] == "websocket":
        # Browsers send no header with a WebSocket; its subprotocols are the one thing that a page may choose.
        offered = [each.strip() for each in headers.get("sec-websocket-protocol", "").split(",")]
        return next((each.removeprefix("key.") for each in offered if each.startswith("key.")), "")
    return ""


def _with_headers(send: Send) -> Send:
    async def answering(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return answering


def _limited(receive: Receive) -> Receive:
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > _MOST_BYTES:
                return {"type": "http.disconnect"}
        return message

    return limited
