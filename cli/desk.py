"""`fangyan desk` and `fangyan desk user ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from cli.serving import print_users, remove_user, serve_http, token_of_new
from cli.terminal import Config, WorkspaceFolder, read_settings, say, stop, warn
from pipeline.access.hosts import LOOPBACK, bracketed, is_loopback

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
    serve_http(app, host, port, certificate, key)


Roles = Annotated[list[str] | None, typer.Option("--role", help="listen, correct or release; may be repeated")]


@user_app.command("add")
def user_add(
    name: Annotated[str, typer.Argument(help="under which the user signs in and stands in the audit log")],
    role: Roles = None,
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Add a user, or give one a new token and roles; the token is shown once."""
    from desk.users import desk_users

    settings = read_settings(config, workspace)
    token = token_of_new(desk_users(settings.root), name, role or ["listen"])
    say(f"{name} signs in at {settings.desk.address} with this token, which is shown once and kept nowhere:")
    say(token)


@user_app.command("list")
def user_list(config: Config = None, workspace: WorkspaceFolder = None) -> None:
    """Names, roles and since when."""
    from desk.users import desk_users

    print_users(desk_users(read_settings(config, workspace).root))


@user_app.command("remove")
def user_remove(
    name: Annotated[str, typer.Argument(help="of the user")], config: Config = None, workspace: WorkspaceFolder = None
) -> None:
    """Remove a user; open sessions end at once."""
    from desk.users import desk_users

    remove_user(desk_users(read_settings(config, workspace).root), name)
    say(f"{name} is removed")
