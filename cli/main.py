"""The command `fangyan`. Each command is thin: it reads settings, calls one function and prints what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli import evaluation, finetune, init, labels, rights, speaking, studio, ui
from cli.signals import ends_on_signals
from cli.terminal import Config, WorkspaceFolder, read_settings, say, stop

app = typer.Typer(help="Dialect speech: recordings to a corpus.", no_args_is_help=True, pretty_exceptions_enable=False)
app.command("init")(init.init)
app.add_typer(studio.studio_app, name="studio")
app.command("speak")(speaking.speak)
app.command("finetune")(finetune.finetune)
app.add_typer(labels.label_app, name="label")
app.add_typer(evaluation.prompts_app, name="prompts")
app.add_typer(evaluation.systems_app, name="systems")
app.add_typer(evaluation.listen_app, name="listen")
app.add_typer(rights.consent_app, name="consent")
app.command("takedown")(rights.takedown)
app.add_typer(rights.audit_app, name="audit")
app.command("ui")(ui.ui)


@app.command()
def doctor(config: Config = None, workspace: WorkspaceFolder = None) -> None:
    """What this machine has, which checkpoints are configured, and whether the line can run (exit code 1 if not)."""
    from cli.doctor import can_run, examine

    colours = {"ok": "green", "missing": "red", "would be downloaded": "yellow", "info": "dim"}
    findings = list(examine(read_settings(config, workspace)))
    table = Table("subject", "state", "detail")
    for finding in findings:
        table.add_row(finding.subject, f"[{colours[finding.state]}]{finding.state}[/]", finding.detail)
    Console().print(table)
    if not can_run(findings):
        stop("the configured line cannot run here: see the lines marked missing")


@app.command()
def run(
    config: Config = None,
    workspace: WorkspaceFolder = None,
    retry_quarantined: Annotated[bool, typer.Option(help="give quarantined files another try")] = False,
) -> None:
    """Bring everything that has landed up to date: close batches, run the line on each, rebuild corpus and catalog."""
    from assets.launch import RunFailed, run_pending
    from pipeline import batches

    settings = read_settings(config, workspace)
    if not settings.landing.is_dir():
        stop(f"{settings.landing} does not exist; put recordings into it as <dialect>/<collection>/<file>")
    try:
        with ends_on_signals():
            names = run_pending(settings, config, retry_quarantined)
    except RunFailed as error:
        stop(str(error))
    console = Console()
    for problem in batches.problems(settings.landing):
        console.print(f"{problem.source}: {problem.message}", style="yellow", markup=False, highlight=False)
    say(f"{len(names)} batches are up to date in {settings.root}")


@app.command()
def voice(
    dialect: Annotated[str, typer.Option(help="code of a Chinese dialect, such as cmn-tianjin")],
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Train a dialect's voice on the corpus, let it and its base speak, judge both, and renew the report."""
    from assets.launch import RunFailed, run_voice
    from assets.partitions import dialect_partitions
    from assets.report_asset import REPORT

    settings = read_settings(config, workspace)
    known = dialect_partitions.get_partition_keys()
    if dialect not in known:
        stop(f"there are no voices for {dialect!r}; choose one of {', '.join(known)}")
    try:
        with ends_on_signals():
            run_voice(settings, config, dialect)
    except RunFailed as error:
        stop(str(error))
    say(f"The report: {settings.root / REPORT}")


@app.command()
def demo(
    workspace: Annotated[Path, typer.Option(help="folder that the demo fills")] = Path("workspace/demo"),
    minutes: Annotated[float, typer.Option(help="minutes of good audio to record in the studio")] = 8.0,
    seed: Annotated[int, typer.Option(help="seed of the studio")] = 11,
    config: Config = None,
) -> None:
    """Record four dialects in the studio, run the line, measure the result against the truth, train a Tianjin voice."""
    from assets.launch import RunFailed
    from studio.demo import run_demo

    settings = read_settings(config, workspace)
    try:
        with ends_on_signals():
            run_demo(settings, config, minutes, seed)
    except RunFailed as error:
        stop(str(error))


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="a SELECT over the tables and summaries; SHOW TABLES lists them")],
    config: Config = None,
    workspace: WorkspaceFolder = None,
    format: Annotated[str, typer.Option(help="table, json or csv (texts that begin with = + - @ get a ')")] = "table",
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


if __name__ == "__main__":
    app()
