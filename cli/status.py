"""`fangyan status`: what waits, what runs, what failed, what is in quarantine, which voices there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from cli.figures import judgements, quarantined, voices
from cli.summary import count, duration
from cli.terminal import Config, WorkspaceFolder, read_settings, say
from pipeline.settings import Settings


def status(config: Config = None, workspace: WorkspaceFolder = None) -> None:
    """Say what waits, runs, failed and is in quarantine, and which voices there are."""
    settings = read_settings(config, workspace)
    say(f"workspace   {settings.root}")
    for subject, text in (*_files(settings), *_runs(settings), *_corpus(settings)):
        say(f"{subject:<11} {text}")


def _files(settings: Settings) -> Iterator[tuple[str, str]]:
    from pipeline import batches, ledger
    from pipeline.lake.lake import Lake
    from pipeline.stage_list import STAGES

    waiting = batches.waiting(settings.landing, settings.root, settings)
    if waiting.files:
        closes = f"; closes {moment(waiting.closes)}, or now with `fangyan run`" if waiting.closes else ""
        hours = f"{duration(waiting.seconds / 3600)} of {settings.batches.hours:g} h"
        yield "waiting", f"{count(waiting.files, 'file')} in no batch, {hours}{closes}"
    else:
        yield "waiting", f"no file in {settings.landing} waits"
    lake, last = Lake(settings.lake), STAGES[-1].name
    names = batches.names(settings.root)
    open_ones = [name for name in names if not lake.path("ledger", ledger.partition(name, last)).exists()]
    listed = f", {len(open_ones)} not finished: {', '.join(open_ones[:5])}" if open_ones else ""
    yield "batches", f"{len(names) - len(open_ones)} finished{listed}"
    problems = batches.problems(settings.landing)
    if problems:
        yield "landing", f"{count(len(problems), 'problem')}; the first: {problems[0].source}: {problems[0].message}"


def _runs(settings: Settings) -> Iterator[tuple[str, str]]:
    from assets.launch import open_instance
    from assets.run_states import active_runs, failed_runs

    if not (settings.root / "dagster").is_dir():
        yield "runs", "none yet"
        return
    with open_instance(settings) as instance:
        active, failed = active_runs(instance), failed_runs(instance)
    for run in active:
        yield "running", f"{run.job} {run.partition} {run.status} since {moment(run.began)}"
    if not active:
        yield "running", "nothing"
    for run in failed:
        yield "failed", f"{run.job} {run.partition} of {moment(run.began)}, run {run.run_id}"


def _corpus(settings: Settings) -> Iterator[tuple[str, str]]:
    if not settings.lake.is_dir():
        yield "corpus", "none yet; `fangyan run` makes one"
        return
    reasons = Counter(one.reason for one in quarantined(settings))
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    yield "quarantine", counts or "nothing"
    for voice in voices(settings):
        yield "voice", f"{voice.dialect}: {voice.models} {voice.status}, the latest {voice.latest}"
    for one in judgements(settings):
        yield "promoted", f"{one.dialect}: {one.promoted or 'no voice'}"
        if one.at is not None:
            yield "judged", f"{one.dialect}: {one.model_id} {moment(one.at)}: {one.status}: {one.reason}"


def moment(seconds: float) -> str:
    """A time in the machine's zone, to the minute."""
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M %Z}"
