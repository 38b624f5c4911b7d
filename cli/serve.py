"""`fangyan serve` and `fangyan serve key ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.serving import print_users, remove_user, serve_http, token_of_new
from cli.terminal import Config, WorkspaceFolder, read_settings, say, stop, warn
from pipeline.access.hosts import LOOPBACK, is_loopback

serve_app = typer.Typer(help="Speak to any client that knows OpenAI's speech API.", invoke_without_command=True)
key_app = typer.Typer(help="Who may use the server from elsewhere.", no_args_is_help=True)
serve_app.add_typer(key_app, name="key")

_DEFAULT_PORT = 8300


@serve_app.callback()
def serve(
    context: typer.Context,
    config: Config = None,
    workspace: WorkspaceFolder = None,
    host: Annotated[str, typer.Option(help="address to serve on; others than 127.0.0.1 need keys")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to serve on")] = _DEFAULT_PORT,
    checkpoint: Annotated[str | None, typer.Option(help="a VoxCPM2 directory or hub name")] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM file with the certificate chain, for https")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file with its key")] = None,
) -> None:
    """Serve speech until Ctrl-C or SIGTERM: /v1/audio/speech, /v1/voices, a page to try it, /docs, /metrics."""
    if context.invoked_subcommand is not None:
        return
    from pipeline.rights.consents import TaintedModel, refuse_tainted
    from pipeline.settings import checkpoint_path
    from serve.app import create_app
    from serve.guard import serve_users
    from serve.service import Service

    settings = read_settings(config, workspace)
    if checkpoint is not None:
        settings = settings.model_copy(update={"serve": settings.serve.model_copy(update={"checkpoint": checkpoint})})
    if not is_loopback(host) and not serve_users(settings.root).required:
        words = "`fangyan serve key add NAME` adds one; without keys the server is for this machine alone"
        stop(f"the server has no keys, so it is not served on {host}: {words}")
    if (certificate is None) != (key is None):
        stop("give --certificate and --key together")
    if not is_loopback(host) and certificate is None:
        warn("keys and texts go over the network unencrypted: give --certificate and --key, or put a proxy before")
    try:
        refuse_tainted(Path(checkpoint_path(settings.serve.checkpoint)))
        service = Service(settings)
    except (TaintedModel, ValueError, OSError) as error:
        stop(str(error))
    serve_http(create_app(service, LOOPBACK), host, port, certificate, key)


Roles = Annotated[list[str] | None, typer.Option("--role", help="list, speak or watch; may be repeated")]


@key_app.command("add")
def key_add(
    name: Annotated[str, typer.Argument(help="who gets the key, as it stands in the logs")],
    role: Roles = None,
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Make a key, or another one in place of it; it is shown once and kept as a hash."""
    from serve.guard import serve_users

    token = token_of_new(serve_users(read_settings(config, workspace).root), name, role or ["speak"])
    say(f"the key of {name}, which is shown once and kept nowhere:")
    say(token)


@key_app.command("list")
def key_list(config: Config = None, workspace: WorkspaceFolder = None) -> None:
    """Names, roles and since when."""
    from serve.guard import serve_users

    print_users(serve_users(read_settings(config, workspace).root))


@key_app.command("remove")
def key_remove(
    name: Annotated[str, typer.Argument(help="whose key")], config: Config = None, workspace: WorkspaceFolder = None
) -> None:
    """Take a key back; it is refused at once."""
    from serve.guard import serve_users

    remove_user(serve_users(read_settings(config, workspace).root), name)
    say(f"the key of {name} holds no more")
