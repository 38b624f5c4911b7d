"""`fangyan run` and `fangyan voice`: what makes a corpus of what has landed, and a dialect's voice of the corpus."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completion import Dialect
from cli.signals import ends_on_signals
from cli.summary import print_summary
from cli.terminal import Config, WorkspaceFolder, read_settings, say, stop, warn

if TYPE_CHECKING:
    from pipeline.landing_zone import Problem


def run(
    config: Config = None,
    workspace: WorkspaceFolder = None,
    retry_quarantined: Annotated[
        bool, typer.Option("--retry-quarantined", help="give quarantined files another try")
    ] = False,
) -> None:
    """Bring everything that has landed up to date: close batches, run every stage, rebuild corpus and catalog."""
    from pipeline import batches

    # Before anything of Dagster is imported: its partitions are the dialects that the configuration knows.
    settings = read_settings(config, workspace)
    from assets.check_results import failed_checks
    from assets.launch import RunFailed, open_instance, run_pending

    if not settings.landing.is_dir():
        stop(f"{settings.landing} does not exist; put recordings into it as <dialect>/<collection>/<file>")
    said = _problems(batches.problems(settings.landing))
    for line in said:
        warn(line)
    began = time.time()
    try:
        with ends_on_signals():
            names = run_pending(settings, config, retry_quarantined)
            with open_instance(settings) as instance:
                failed = failed_checks(instance, began)
    except RunFailed as error:
        stop(str(error))
    for line in _problems(batches.problems(settings.landing)):
        if line not in said:
            warn(line)
    if said:
        say(f"{len(said)} problems in {settings.landing} were listed at the start.")
    print_summary(settings, names, failed)


def _problems(found: Sequence[Problem]) -> list[str]:
    """A line for each problem of the landing folder; the files of a folder that is no dialect share one."""
    strangers = Counter(each.source.partition("/")[0] for each in found if each.reason == "unknown_dialect")
    lines = {}
    for each in found:
        folder = each.source.partition("/")[0]
        stranger = each.reason == "unknown_dialect"
        files = f"{strangers[folder]} file" + ("s" if strangers[folder] > 1 else "")
        shown = f"{folder}/ ({files})" if stranger else each.source
        lines[f"{shown}: {each.message}"] = None
    return list(lines)


def voice(
    dialect: Dialect,
    kind: Annotated[str | None, typer.Option(help="lora or full")] = None,
    steps: Annotated[int | None, typer.Option(help="optimizer steps")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="highest learning rate")] = None,
    warmup: Annotated[int | None, typer.Option(help="steps until the learning rate is reached")] = None,
    rank: Annotated[int | None, typer.Option(help="rank of the adapters")] = None,
    alpha: Annotated[float | None, typer.Option(help="the adapters' scale is alpha / rank")] = None,
    batch_samples: Annotated[int | None, typer.Option(help="clips of a pack")] = None,
    seed: Annotated[int | None, typer.Option(help="of the order of clips and of the adapters")] = None,
    candidate: Annotated[bool, typer.Option("--candidate", help="may be promoted, trained in whatever way")] = False,
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Train a dialect's voice on the corpus, let it and its base speak, judge both, and renew the report.

    What is not given is as section fine_tune of the configuration says; trained in another way, it is an experiment.
    """
    given = {
        "kind": kind,
        "steps": steps,
        "learning_rate": learning_rate,
        "warmup": warmup,
        "rank": rank,
        "alpha": alpha,
        "batch_samples": batch_samples,
        "seed": seed,
        "candidate": candidate or None,
    }
    settings = read_settings(config, workspace)
    from assets.launch import RunFailed, run_voice
    from assets.partitions import dialect_partitions
    from assets.report_asset import REPORT
    from pipeline.corpus import outlook, tiers

    known = dialect_partitions.get_partition_keys()
    if dialect not in known:
        stop(f"there are no voices for {dialect!r}; choose one of {', '.join(known)}")
    problem = tiers.impossible(settings)
    if "no segment can qualify" in problem:
        stop(problem)
    found = outlook.outlook(settings, dialect)
    if found.of_clips and not found.clips:
        stop(f"{dialect}: {found.words}")
    if found.of_clips:
        say(f"{dialect}: {found.words}")
    try:
        with ends_on_signals():
            run_voice(settings, config, dialect, **{name: value for name, value in given.items() if value is not None})
    except RunFailed as error:
        stop(str(error))
    say(f"The report: {settings.root / REPORT}")
