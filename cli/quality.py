"""`fangyan quality`: character error of the corpus's text, estimated from the reviewed part of a random sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from cli.summary import count
from cli.terminal import Config, WorkspaceFolder, add_row, read_settings, say, stop, warn

if TYPE_CHECKING:
    from pipeline.review.quality import Figure, Quality


def quality(
    config: Config = None,
    workspace: WorkspaceFolder = None,
    sample: Annotated[str, typer.Option(help="name of a sample; default: the newest")] = "",
    draw: Annotated[str, typer.Option(metavar="NAME", help="draw a new sample of all that is kept now, and end")] = "",
    plot: Annotated[
        Path | None, typer.Option(help="write a plot of the estimates to this file (.png, .svg, .pdf)")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print everything as JSON")] = False,
) -> None:
    """Estimate the character error of the text from the random sample that people reviewed."""
    from pipeline.corrections.store import Corrections
    from pipeline.lake.lake import Lake
    from pipeline.lake.query_result import CatalogError
    from pipeline.review import samples
    from pipeline.review.plot import PlotError, save_plot
    from pipeline.review.quality import quality as estimate
    from pipeline.review.samples import SampleError

    settings = read_settings(config, workspace)
    lake = Lake(settings.lake)
    try:
        if draw:
            drawn = samples.draw(lake, draw, settings.review.twice_share, settings.root)
            say(f"{draw}: the order of {count(drawn, 'segment')} is frozen")
            return
        name = sample or samples.current(lake, settings.review.twice_share, settings.root)
        found = estimate(lake, Corrections.of(settings).rows(), name)
        if plot is not None:
            save_plot(found, plot)
    except (SampleError, CatalogError, PlotError) as error:
        stop(str(error))
    if as_json:
        typer.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=1))
        return
    _print(found)
    if plot is not None:
        say(f"plot: {plot}")


def _print(found: Quality) -> None:
    reviewers = ", ".join(f"{who} {number}" for who, number in found.reviewers.items()) or "nobody"
    say(f"sample {found.sample}: {found.reviewed} of {count(found.drawn, 'segment')} reviewed ({reviewers})")
    if not found.reviewed:
        say("no figure yet: `fangyan desk` offers the sample's segments among others")
        return
    say(f"character error of the text as it was drawn, 95 % interval; normalised by {', '.join(found.normalisation)}:")
    work = "more minutes to ±0.5" if found.pace is None else f"more minutes to ±0.5 (of work at {found.pace:.1f} x)"
    table = Table("text of", "error", "95 % interval", "errors / characters", "segments heard", work, box=SIMPLE)
    for figure in found.figures:
        add_row(
            table,
            figure.by if figure.by == "all" else f"{figure.by} {figure.which or '(none)'}",
            *_cells(figure, found),
        )
    Console().print(table)
    _print_agreement(found)
    for words in _notes(found):
        warn(words)


def _cells(figure: Figure, found: Quality) -> tuple[str, ...]:
    error = figure.error
    if error is None:
        return ("nothing heard",)
    covered = "" if error.covered > 0.9995 else f", of {error.covered:.0%} of the text"
    more = figure.more_minutes or 0.0
    work = f" ({more * found.pace:.0f})" if found.pace and more else ""
    return (
        f"{100 * error.value:.2f} %{covered}",
        f"{100 * error.low:.2f} to {100 * error.high:.2f} %",
        f"{error.errors:g} / {error.said:g}",
        f"{error.reviewed} of {error.segments}",
        f"{more:.1f}{work}" if more else "reached",
    )


def _print_agreement(found: Quality) -> None:
    both = found.agreement
    if not both.units:
        say("agreement: no segment was reviewed by two people yet")
        return
    error = "no text to compare" if both.error is None else f"{100 * both.error:.2f} % character error between them"
    say(f"agreement, {count(both.units, 'segment')} reviewed by two: {error} ({both.characters:g} characters)")
    for label, value in both.alpha.items():
        same = f"the same in {both.same[label]:.0%}"
        alpha = (
            "Krippendorff's alpha undefined (one value only)" if value is None else f"Krippendorff's alpha {value:.2f}"
        )
        say(f"  {label:<15} {alpha}, {same}")


def _notes(found: Quality) -> list[str]:
    notes = []
    if found.passed_over:
        notes.append(
            f"{count(found.passed_over, 'segment')} of the sample passed over: "
            "the figures hold if they are as the others"
        )
    if found.unintelligible or found.to_drop:
        notes.append(
            f"{found.unintelligible} called unintelligible (no characters counted), {found.to_drop} to be dropped"
        )
    if found.recut:
        notes.append(f"{found.recut} heard after segments were cut anew: judged by the text that was shown")
    if found.as_drawn < found.kept_now:
        notes.append(
            f"{found.as_drawn} of the {count(found.kept_now, 'segment')} kept now are as they were drawn; "
            "for the corpus as it is now draw another: fangyan quality --draw random-2"
        )
    return notes
