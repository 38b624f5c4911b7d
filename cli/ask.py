"""`fangyan ask`: named questions to the lake."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.completion import TableFormat, dialect_codes, questions
from cli.terminal import Config, WorkspaceFolder, read_settings, say, stop


def ask(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[QUESTION]", help="its name; without one all questions are listed", autocompletion=questions
        ),
    ] = None,
    dialect: Annotated[
        str | None, typer.Option(metavar="CODE", help="of this dialect only", autocompletion=dialect_codes)
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="from this moment on: 2026-11-20, 2026-11-20T08:00 (UTC) or 7d (days ago)")
    ] = None,
    days: Annotated[int | None, typer.Option(min=0, help="within so many days from today")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="so many rows at most; error-words: of each group")] = None,
    config: Config = None,
    workspace: WorkspaceFolder = None,
    format: TableFormat = "table",
) -> None:
    """Answer a named question of the corpus: hours, losses, speakers, what is new, consents that end, review ..."""
    from pipeline.lake.asking import QUESTIONS, Asked, answer, moment
    from pipeline.lake.lake import Lake
    from pipeline.lake.query_result import CatalogError, render

    if name is None:
        width = max(map(len, QUESTIONS))
        for question in QUESTIONS.values():
            options = "".join(f" --{one}" for one in ("dialect", "since", "days") if getattr(question, one))
            say(f"{question.name.replace('_', '-'):<{width}}  {question.question}{options and f' [{options.strip()}]'}")
        return
    settings = read_settings(config, workspace)
    try:
        asked = Asked(dialect, moment(since) if since else None, days, limit)
        render(answer(Lake(settings.lake), name, asked), format)
    except CatalogError as error:
        stop(str(error))
