"""What `fangyan desk` and `fangyan serve` share: the socket, the HTTP server, and who may use it from elsewhere."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.terminal import say, stop
from pipeline.access.hosts import bracketed, listening

if TYPE_CHECKING:
    from pipeline.access.users import Users


def serve_http(app: Any, host: str, port: int, certificate: Path | None, key: Path | None) -> None:
    """Serve an ASGI application until a signal; says its address. Ends the command where the port is not free."""
    import uvicorn

    with listen(host, port) as listener:
        where = listener.getsockname()
        scheme = "http" if certificate is None else "https"
        say(f"open {scheme}://{'127.0.0.1' if host in ('0.0.0.0', '::') else bracketed(host)}:{where[1]}")
        uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                # Whom a request comes from is what the guard and the limit of sign-ins go by.
                proxy_headers=False,
                ssl_certfile=certificate,
                ssl_keyfile=key,
                timeout_graceful_shutdown=5,
            )
        ).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens, or the end of the command."""
    try:
        return listening(host, port)
    except OSError as error:
        stop(f"cannot serve on {host}:{port}: {error.strerror or error}; choose another --port or --host")


def token_of_new(users: Users, name: str, roles: Sequence[str]) -> str:
    """Add a user, or give one a new token and roles; the token, or the end of the command."""
    from pipeline.access.users import UserError
    from pipeline.rights.audit import AuditBroken

    try:
        return users.add(name, list(roles))
    except (UserError, AuditBroken, OSError) as error:
        stop(str(error))


def print_users(users: Users) -> None:
    """A line each: name, roles, since when."""
    from pipeline.access.users import UserError

    try:
        known = users.all()
    except UserError as error:
        stop(str(error))
    for user in known.values():
        say(f"{user.name}: {', '.join(user.roles)}, since {user.added}")
    if not known:
        say("nobody")


def remove_user(users: Users, name: str) -> None:
    """Take a user's token back, or end the command."""
    from pipeline.access.users import UserError
    from pipeline.rights.audit import AuditBroken

    try:
        users.remove(name)
    except (UserError, AuditBroken, OSError) as error:
        stop(str(error))
