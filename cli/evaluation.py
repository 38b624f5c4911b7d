"""`prompts check`, `systems check` and `listen page|import`."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.terminal import Config, WorkspaceFolder, read_settings, say, stop

prompts_app = typer.Typer(help="The validation texts.", no_args_is_help=True)
systems_app = typer.Typer(help="Other systems that speak the validation texts.", no_args_is_help=True)
listen_app = typer.Typer(help="The blind listening test.", no_args_is_help=True)


@prompts_app.command("check")
def check_prompts(
    folder: Annotated[Path | None, typer.Option(help="folder of <dialect>.yaml; default: prompts/")] = None,
) -> None:
    """Read every file of validation texts and count them (exit code 1 if any is faulty)."""
    from model.validation import prompts

    try:
        files = prompts.load_all(folder or prompts.FOLDER)
    except prompts.PromptError as error:
        stop(str(error))
    for code, by_category in prompts.counts(files).items():
        numbers = ", ".join(f"{by_category[category]} {category}" for category in prompts.MINIMUM)
        say(f"{code}: {by_category.total()} texts ({numbers})")


@systems_app.command("check")
def check_systems(
    file: Annotated[Path | None, typer.Option(help="systems.toml; default: the project's")] = None,
) -> None:
    """Read systems.toml and say what each system still needs, without asking any (exit code 1 if one is not ready)."""
    from model.validation.systems import config

    try:
        systems = config.load_systems(file or config.FILE)
    except config.SystemsError as error:
        stop(str(error))
    table = Table("system", "kind", "voice", "dialects", "needs")
    ready = True
    for system in systems:
        need = _need(system)
        ready = ready and not need
        voice = "the reference's" if system.clones else "its own"
        cells = (system.name, system.kind, voice, ", ".join(system.dialects) or "all", need or "nothing")
        table.add_row(*map(Text, cells), style="red" if need else "green")
    Console().print(table if systems else "no system is listed")
    if not ready:
        raise typer.Exit(1)


@listen_app.command("page")
def listening_page(
    validation: Annotated[Path, typer.Option(help="validation_set as a .parquet, or a folder of them")],
    out: Annotated[Path, typer.Option(help="the .html to write; its key is written beside it")] = Path("listen.html"),
    utterances: Annotated[int, typer.Option(min=1, help="how many utterances are drawn")] = 24,
    system: Annotated[
        list[str] | None, typer.Option(help="base, fine_tuned or another's name; repeat for more; default: all")
    ] = None,
    title: Annotated[str, typer.Option(help="what listeners read at the top; name no system")] = "",
    seed: Annotated[int, typer.Option(help="draws the utterances")] = 0,
) -> None:
    """Make one self-contained page for a blind listening test: opinions from 1 to 5 and choices between A and B.

    The clips are inside the page: a later takedown does not reach the copies that you send out.
    """
    from model.evaluation import listening

    if out.suffix.lower() not in (".html", ".htm"):
        stop(f"{out}: write to a .html")
    try:
        made = listening.build_page(listening.items_of(validation, utterances, system or (), seed), out, title)
    except (listening.ListeningError, OSError) as error:
        stop(str(error))
    say(f"{made.path}: {made.clips} clips, {made.trials} answers a listener, {made.size_bytes / 1e6:.1f} MB")
    say(f"{made.key}: who spoke which clip; keep it, and do not send it along")


@listen_app.command("import")
def import_answers(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULTS...", help="CSV files that listeners exported from the page")
    ],
    key: Annotated[Path, typer.Option(help="the page's key, <page>.key.json")],
    out: Annotated[
        Path | None, typer.Option(help="write the rows as JSON here and leave the workspace as it is")
    ] = None,
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Un-blind listeners' answers and bring mean opinions and preferences, with intervals, into the tables."""
    from model.evaluation import listening
    from pipeline.lake.lake import Lake
    from pipeline.lake.lock import writing
    from pipeline.settings import SettingsError

    try:
        answers = listening.read_answers(results, key)
        for fault in answers.faults:
            _warn(f"left out: {fault}")
        for fault in answers.too_fast:
            _warn(f"too fast, left out: {fault}")
        if not answers.listeners:
            stop("no answer is left that counts")
        if out is not None:
            rows = {
                "evaluation": listening.evaluation_rows(answers),
                "evaluation_summary": listening.summary_rows(answers),
            }
            out.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            summary = rows["evaluation_summary"]
        else:
            settings = read_settings(config, workspace)
            with writing(settings.root):
                brought = listening.bring_in(Lake(settings.lake), settings.root, answers)
            summary = [row for _, rows in brought.values() for row in rows]
            if not summary:
                stop(f"the validation sets of {settings.root} hold none of these clips; use --out, or its workspace")
    except (listening.AnswersError, SettingsError, OSError) as error:
        stop(str(error))
    _print_scores(summary)
    say(f"{answers.listeners} listeners, {len(answers.ratings)} opinions, {len(answers.preferences)} choices")


def _print_scores(summary: list[dict]) -> None:
    table = Table("dialect", "system", "measure", "value", "95 % interval", "utterances", "conditions")
    for row in summary:
        interval = "" if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}"
        name = " ".join(filter(None, (row["metric"], row["condition"])))
        table.add_row(
            row["dialect"], row["system"], name, f"{row['value']:.2f}", interval, str(row["n"]), row["conditions"]
        )
    Console().print(table)


def _need(system: object) -> str:
    """What is missing before a system can be asked, "" if nothing that can be seen without asking it."""
    from model.validation.systems import config

    if isinstance(system, config.Directory):
        folder = system.path if system.path.is_absolute() else config.PROJECT / system.path
        return "" if folder.is_dir() else f"the folder {folder}"
    if isinstance(system, config.Command):
        program = config.fill(system.argv[0], {"python": sys.executable})
        if not shutil.which(program):
            return f"the program {program}"
        unset = [name for name in system.env if name not in os.environ]
        return f"the environment variable {unset[0]}" if unset else ""
    variable = getattr(system, "key_env", "")
    return "" if not variable or os.environ.get(variable) else f"the environment variable {variable}"


def _warn(message: str) -> None:
    Console(stderr=True).print(message, style="yellow", markup=False, highlight=False, soft_wrap=True)
