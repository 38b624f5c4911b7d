"""The command `fangyan`. Each command is thin: it reads settings, calls one function and prints what came of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from model import commands, evaluation_commands
from pipeline import rights_commands
from pipeline.settings import Settings, SettingsError, load_settings

app = typer.Typer(help="Dialect speech: recordings to a corpus.", no_args_is_help=True, pretty_exceptions_enable=False)
studio_app = typer.Typer(help="Synthesized speech with known truth; embedded checkpoints.", no_args_is_help=True)
train_app = typer.Typer(help="Rebuild an embedded checkpoint from nothing.", no_args_is_help=True)
app.add_typer(studio_app, name="studio")
studio_app.add_typer(train_app, name="train")
commands.include(app)
evaluation_commands.include(app)
rights_commands.include(app)

Config = Annotated[Path | None, typer.Option(help="configuration file; default: $FANGYAN_CONFIG or fangyan.toml")]
WorkspaceFolder = Annotated[Path | None, typer.Option(help="workspace folder; default: the one in the configuration")]


def _settings(config: Path | None, workspace: Path | None) -> Settings:
    try:
        return load_settings(config, workspace=workspace.resolve() if workspace else None)
    except SettingsError as error:
        raise _Stop(str(error)) from None


class _Stop(typer.Exit):
    """Ends the command with a message on stderr and exit code 1."""

    def __init__(self, message: str) -> None:
        Console(stderr=True).print(message, style="red", markup=False, highlight=False, soft_wrap=True)
        super().__init__(1)


@app.command()
def doctor(config: Config = None, workspace: WorkspaceFolder = None) -> None:
    """What this machine has, which checkpoints are configured, and whether the line can run (exit code 1 if not)."""
    from pipeline.doctor import can_run, examine

    colours = {"ok": "green", "missing": "red", "would be downloaded": "yellow", "info": "dim"}
    findings = list(examine(_settings(config, workspace)))
    table = Table("subject", "state", "detail")
    for finding in findings:
        table.add_row(finding.subject, f"[{colours[finding.state]}]{finding.state}[/]", finding.detail)
    Console().print(table)
    if not can_run(findings):
        raise _Stop("the configured line cannot run here: see the lines marked missing")


@app.command()
def run(
    config: Config = None,
    workspace: WorkspaceFolder = None,
    retry_quarantined: Annotated[bool, typer.Option(help="give quarantined files another try")] = False,
) -> None:
    """Bring everything that has landed up to date: close batches, run the line on each, rebuild corpus and catalog."""
    from assets.launch import RunFailed, run_pending
    from pipeline import batches

    settings = _settings(config, workspace)
    _offline()
    if not settings.landing.is_dir():
        raise _Stop(f"{settings.landing} does not exist; put recordings into it as <dialect>/<collection>/<file>")
    try:
        names = run_pending(settings, config, retry_quarantined)
    except RunFailed as error:
        raise _Stop(str(error)) from None
    console = Console()
    for problem in batches.problems(settings.landing):
        console.print(f"{problem.source}: {problem.message}", style="yellow", markup=False, highlight=False)
    console.print(f"{len(names)} batches are up to date in {settings.root}", highlight=False)


@app.command()
def voice(
    dialect: Annotated[str, typer.Option(help="code of a Chinese dialect, such as cmn-tianjin")],
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Train a dialect's voice on the corpus, let it and its base speak, judge both, and renew the report."""
    from assets.benchmark import REPORT
    from assets.launch import RunFailed, run_voice
    from assets.partitions import dialect_partitions

    settings = _settings(config, workspace)
    _offline()
    known = dialect_partitions.get_partition_keys()
    if dialect not in known:
        raise _Stop(f"there are no voices for {dialect!r}; choose one of {', '.join(known)}")
    try:
        run_voice(settings, config, dialect)
    except RunFailed as error:
        raise _Stop(str(error)) from None
    Console().print(f"The report: {settings.root / REPORT}", highlight=False, soft_wrap=True)


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

    settings = _settings(config, workspace)
    _offline()
    try:
        run_demo(settings, config, minutes, seed)
    except RunFailed as error:
        raise _Stop(str(error)) from None


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="a SELECT over the catalog's views")],
    config: Config = None,
    workspace: WorkspaceFolder = None,
    format: Annotated[str, typer.Option(help="table, json or csv")] = "table",
) -> None:
    """Ask the catalog, read-only."""
    from pipeline.catalog import CatalogError, query, render

    settings = _settings(config, workspace)
    try:
        render(query(settings.catalog, statement), format)
    except CatalogError as error:
        raise _Stop(str(error)) from None


@app.command()
def ui(
    config: Config = None,
    workspace: WorkspaceFolder = None,
    port: Annotated[int, typer.Option(help="port of the web server")] = 3000,
) -> None:
    """Start Dagster's UI and daemon on the workspace."""
    from assets.launch import dagster_home
    from pipeline.settings import PROJECT

    settings = _settings(config, workspace)
    environment = os.environ | {"FANGYAN_WORKSPACE": str(settings.root), "DAGSTER_HOME": str(dagster_home(settings))}
    if config:
        environment["FANGYAN_CONFIG"] = str(config.resolve())
    command = [sys.executable, "-m", "dagster", "dev", "--workspace", str(PROJECT / "workspace.yaml")]
    server = subprocess.Popen([*command, "--port", str(port)], env=environment, cwd=PROJECT)
    try:
        raise typer.Exit(server.wait())
    except KeyboardInterrupt:
        server.send_signal(signal.SIGINT)
        server.wait()


@studio_app.command("record")
def studio_record(
    out: Annotated[Path, typer.Option(help="folder for landing/ and truth/")],
    dialects: Annotated[str, typer.Option(help="comma-separated codes")] = "cmn,yue,cmn-sichuan,cmn-tianjin",
    recordings: Annotated[int, typer.Option(help="number of recordings")] = 8,
    minutes: Annotated[float, typer.Option(help="length of each recording")] = 1.0,
    speakers: Annotated[int, typer.Option(help="speakers in each recording, 1 to 5")] = 3,
    overlap: Annotated[float, typer.Option(help="share of speech in which two speak")] = 0.08,
    snr: Annotated[float, typer.Option(help="signal-to-noise ratio in dB")] = 15.0,
    seed: Annotated[int, typer.Option(help="same seed, same bytes")] = 0,
) -> None:
    """Record scenes in the studio: a landing zone and beside it the truth. Synthesized speech, not real voices."""
    from studio.record import record

    try:
        files = record(out, dialects.split(","), recordings, minutes, speakers, overlap, snr, seed)
    except ValueError as error:
        raise _Stop(str(error)) from None
    Console().print(f"{len(files)} recordings in {out / 'landing'}, their truth in {out / 'truth'}", highlight=False)


BankFolder = Annotated[Path, typer.Option(help="bank folder that `fangyan studio bank` filled: train/ and held_out/")]
Minutes = Annotated[float, typer.Option(help="end the training after so many minutes")]
Threads = Annotated[int, typer.Option(help="CPU threads; results are the same for the same number")]


@studio_app.command("bank")
def studio_bank(
    out: Annotated[Path, typer.Option(help="folder for train/ and held_out/")] = Path("workspace/bank"),
    hours: Annotated[float, typer.Option(help="hours of training speech; 2 GB for 10 h")] = 10.0,
    held_out_hours: Annotated[float, typer.Option(help="hours of unseen sentences by unseen voices")] = 0.5,
    seed: Annotated[int, typer.Option(help="same seed, same bytes")] = 1,
) -> None:
    """Speak the utterances that the embedded checkpoints learn from; can be interrupted and repeated."""
    from studio.bank import build_bank

    build_bank(out / "train", hours, seed, held_out=False)
    build_bank(out / "held_out", held_out_hours, seed + 1, held_out=True)


@train_app.command("whisper")
def train_whisper(
    bank: BankFolder = Path("workspace/bank"),
    out: Annotated[Path, typer.Option(help="checkpoint folder")] = Path("checkpoints/whisper-micro"),
    minutes: Minutes = 60.0,
    threads: Threads = 2,
) -> None:
    """Rebuild whisper-micro; a killed training goes on where it was."""
    from studio.train.whisper import train

    train(bank / "train", bank / "held_out", out, minutes=minutes, threads=threads, state=bank / "whisper-state")


@train_app.command("aligner")
def train_aligner(
    bank: BankFolder = Path("workspace/bank"),
    out: Annotated[Path, typer.Option(help="checkpoint folder")] = Path("checkpoints/aligner-micro"),
    minutes: Minutes = 40.0,
    threads: Threads = 2,
) -> None:
    """Rebuild aligner-micro; a killed training goes on where it was."""
    from studio.bank import Bank
    from studio.train.aligner import train

    spoken, unseen = Bank(bank / "train"), Bank(bank / "held_out")
    train(spoken, unseen, out, minutes=minutes, threads=threads, state=bank / "aligner-state")


@train_app.command("diarization")
def train_diarization(
    bank: BankFolder = Path("workspace/bank"),
    out: Annotated[Path, typer.Option(help="checkpoint folder")] = Path("checkpoints/diarization-micro"),
) -> None:
    """Rebuild diarization-micro: segmentation, embedding, PLDA; a killed training goes on where it was."""
    from functools import partial

    from studio.bank import Bank
    from studio.train.diarization import export
    from studio.train.embedding import EmbeddingPlan, train_embedding
    from studio.train.segmentation import SegmentationPlan, train_segmentation

    state, unseen, spoken = bank / "diarization-state", Bank(bank / "held_out"), partial(Bank, bank / "train")
    log = Console(stderr=True).print
    train_segmentation(spoken, state / "segmentation.pt", SegmentationPlan(), unseen, log)
    train_embedding(spoken, state / "embedding.pt", EmbeddingPlan(), unseen, log)
    export(state, spoken(), out)


@train_app.command("voice")
def train_voice(
    bank: BankFolder = Path("workspace/voice-bank"),
    out: Annotated[Path, typer.Option(help="checkpoint folder")] = Path("checkpoints/voxcpm2-micro"),
    minutes: Minutes = 180.0,
    threads: Threads = 2,
) -> None:
    """Rebuild voxcpm2-micro, bank (without Tianjin), AudioVAE and network; a killed training goes on where it was."""
    from studio.bank import build_bank
    from studio.train.voice import train
    from studio.train.voice_shape import DIALECTS

    build_bank(bank / "train", 9.0, 1, held_out=False, workers=threads, dialects=DIALECTS, shard_hours=0.1)
    train(bank / "train", out, minutes, threads, state=bank / "voice-state")


def _offline() -> None:
    """No telemetry, and no look at the hub for the checkpoints that lie in the project."""
    os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")


if __name__ == "__main__":
    app()
