"""`fangyan desk` and `fangyan desk user ...`."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from cli.terminal import Config, WorkspaceFolder, read_settings, say, stop, warn
from pipeline.access.hosts import LOOPBACK, bracketed, is_loopback, listening

desk_app = typer.Typer(help="Browse, listen and correct in a browser.", invoke_without_command=True)
user_app = typer.Typer(help="Who may use the desk from elsewhere.", no_args_is_help=True)
desk_app.add_typer(user_app, name="user")

_DEFAULT_PORT = 3100


@desk_app.callback()
def desk(
    context: typer.Context,
    config: Config = None,
    workspace: WorkspaceFolder = None,
    host: Annotated[str, typer.Option(help="address to serve on; others than 127.0.0.1 need users")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to serve on")] = _DEFAULT_PORT,
    certificate: Annotated[Path | None, typer.Option(help="PEM file with the certificate chain, for https")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file with its key")] = None,
) -> None:
    """Serve the corpus of a workspace to browsers until Ctrl-C or SIGTERM."""
    if context.invoked_subcommand is not None:
        return
    import uvicorn

    from desk.app import create_app
    from desk.users import desk_users

    settings = read_settings(config, workspace)
    if away := [one for one in (settings.lake, settings.landing) if one in settings.in_stores]:
        stop(f"the desk reads files of this machine alone, and {' and '.join(map(str, away))} lies in an object store")
    local = is_loopback(host)
    if not local and not desk_users(settings.root).required:
        words = "`fangyan desk user add NAME` adds one; without users the desk is for this machine alone"
        stop(f"the desk has no users, so it is not served on {host}: {words}")
    if (certificate is None) != (key is None):
        stop("give --certificate and --key together")
    named = urlsplit(settings.desk.address).hostname or ""
    hosts = {*LOOPBACK, bracketed(named)} | (set() if host in ("0.0.0.0", "::") else {bracketed(host)})
    if not local and certificate is None and not settings.desk.address.startswith("https:"):
        warn(
            "tokens and recordings go over the network unencrypted: give --certificate and --key, or put a proxy before"
        )
    app = create_app(settings.root, settings, sorted(hosts))
    app.state.desk.index.ready(say)
    app.state.desk.refused()
    with listen(host, port) as listener:
        where = listener.getsockname()
        scheme = "http" if certificate is None else "https"
        say(f"open {scheme}://{'127.0.0.1' if host in ('0.0.0.0', '::') else bracketed(host)}:{where[1]}")
        server = uvicorn.Server(
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
        )
        server.run(sockets=[listener])


Roles = Annotated[list[str] | None, typer.Option("--role", help="listen, correct or release; may be repeated")]


@user_app.command("add")
def user_add(
    name: Annotated[str, typer.Argument(help="under which the user signs in and stands in the audit log")],
    role: Roles = None,
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Add a user, or give one a new token and roles; the token is shown once."""
    from desk.users import UserError, desk_users
    from pipeline.rights.audit import AuditBroken

    settings = read_settings(config, workspace)
    try:
        token = desk_users(settings.root).add(name, role or ["listen"])
    except (UserError, AuditBroken, OSError) as error:
        stop(str(error))
    say(f"{name} signs in at {settings.desk.address} with this token, which is shown once and kept nowhere:")
    say(token)


@user_app.command("list")
def user_list(config: Config = None, workspace: WorkspaceFolder = None) -> None:
    """Names, roles and since when."""
    from desk.users import UserError, desk_users

    try:
        users = desk_users(read_settings(config, workspace).root).all()
    except UserError as error:
        stop(str(error))
    for user in users.values():
        say(f"{user.name}: {', '.join(user.roles)}, since {user.added}")
    if not users:
        say("nobody")


@user_app.command("remove")
def user_remove(
    name: Annotated[str, typer.Argument(help="of the user")], config: Config = None, workspace: WorkspaceFolder = None
) -> None:
    """Remove a user; open sessions end at once."""
    from desk.users import UserError, desk_users
    from pipeline.rights.audit import AuditBroken

    try:
        desk_users(read_settings(config, workspace).root).remove(name)
    except (UserError, AuditBroken, OSError) as error:
        stop(str(error))
    say(f"{name} is removed")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens, or the end of the command."""
    try:
        return listening(host, port)
    except OSError as error:
        stop(f"cannot serve on {host}:{port}: {error.strerror or error}; choose another --port or --host")
