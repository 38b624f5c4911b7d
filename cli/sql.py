"""`fangyan sql`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.completion import TableFormat
from cli.terminal import Config, WorkspaceFolder, read_settings, stop


def sql(
    statement: Annotated[
        str,
        typer.Argument(metavar="STATEMENT", help="a SELECT over the tables and summaries; SHOW TABLES lists them"),
    ],
    config: Config = None,
    workspace: WorkspaceFolder = None,
    format: TableFormat = "table",
) -> None:
    """Answer a query from the workspace's lake, read-only."""
    from pipeline.lake.lake import Lake
    from pipeline.lake.query import query
    from pipeline.lake.query_result import CatalogError, render

    settings = read_settings(config, workspace)
    try:
        render(query(Lake(settings.lake), statement), format)
    except CatalogError as error:
        stop(str(error))
