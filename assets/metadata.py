"""What a materialization shows in the UI: rows, hours in and out, hours lost by reason, speed and a small plot.

While work is running: a bar when a person watches the terminal, else lines in Dagster's log.
"""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from assets.minute_lines import minute_lines
from pipeline import ledger, stage_list
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.lake.tables import TABLES
from pipeline.run import Report
from pipeline.settings import Settings


def stage_metadata(report: Report, settings: Settings) -> dict[str, Any]:
    """Metadata of one stage's materialization of one batch."""
    table = stage_list.entry_of(report.stage).table
    file = Lake(settings.lake).path(table, report.batch)
    batch = urlencode({"where": f"batch = '{report.batch}'"})
    lost = {reason: round(seconds / 3600, 6) for reason, seconds in report.lost.items()}
    facts: dict[str, Any] = {
        "dagster/row_count": report.rows,
        "dagster/uri": str(file),
        "recordings": report.recordings,
        "recomputed": report.recomputed,
        "reused": report.reused,
        "quarantined": report.quarantined,
        "desk": dg.MetadataValue.url(f"{settings.desk.address}/browse?{batch}"),
        "hours_in": report.seconds_in / 3600,
        "hours_out": report.seconds_passed / 3600,
        "hours_lost_by_reason": dg.MetadataValue.json(lost),
        "times_real_time": round(report.times_real_time, 2),
        "wall_seconds": round(report.wall_seconds, 2),
        "model_load_seconds": round(report.load_seconds, 2),
        "peak_memory_mb": round(report.peak_memory_mb, 1),
    }
    if report.seconds_in:
        hours = {"passed": report.seconds_passed / 3600} | {key: value for key, value in lost.items()}
        facts["where_the_hours_went"] = bar_chart(hours, "hours")
    return facts


def table_schema(table: str) -> dg.TableSchema:
    """A table's columns with their descriptions and units."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                field.name, str(field.type), _describe(field.metadata), dg.TableColumnConstraints(field.nullable)
            )
            for field in TABLES[table]
        ]
    )


def _describe(notes: Mapping[bytes, bytes]) -> str:
    unit = notes.get(b"unit", b"").decode()
    return notes[b"description"].decode() + (f" [{unit}]" if unit else "")


def yield_table(lake: Lake, batch: str) -> str:
    """Markdown table of the hours each stage of a batch passed, dropped and quarantined, by reason."""
    lines = ["| stage | outcome | reason | seconds |", "|---|---|---|---:|"]
    for stage in stage_list.names():
        sums: dict[tuple[str, str], float] = {}
        for row in lake.rows("ledger", ledger.partition(batch, stage)):
            key = (row["outcome"], row["reason"] or "")
            sums[key] = sums.get(key, 0.0) + row["seconds"]
        lines += [f"| {stage} | {outcome} | {reason} | {sums[outcome, reason]:.1f} |" for outcome, reason in sums]
    return "\n".join(lines)


def figures_table(summary: Sequence[Row]) -> str:
    """Markdown table of a dialect's overall figures, one column a system; `summary` are rows of evaluation_summary."""
    rows = {(row["metric"], row["system"]): row for row in summary if not row["condition"]}
    systems = list(dict.fromkeys(system for _, system in rows))
    lines = ["| metric | " + " | ".join(systems) + " |", "|---|" + "---:|" * len(systems)]
    for name in dict.fromkeys(metric for metric, _ in rows):
        cells = [_cell(rows.get((name, system))) for system in systems]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(row: Row | None) -> str:
    if row is None or row["value"] is None:
        return ""
    interval = "" if row["low"] is None else f" [{row['low']:.3g}, {row['high']:.3g}]"
    return f"{row['value']:.3g}{interval}"


def bar_chart(values: Mapping[str, float], unit: str) -> dg.MetadataValue:
    """A thumbnail of a few bars as inline PNG, some kilobytes: the event log stores it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 0.8 + 0.28 * len(values)), dpi=72)
    axes = figure.subplots()
    axes.barh(list(values), list(values.values()), color=["#2a7f62"] + ["#c0603a"] * (len(values) - 1))
    axes.invert_yaxis()
    axes.set_xlabel(unit, fontsize=8)
    axes.tick_params(labelsize=8)
    figure.tight_layout()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return dg.MetadataValue.md(f"![{unit}](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})")


def picture(file: Path, words: str, width: int = 420) -> dg.MetadataValue:
    """A picture file as a thumbnail of `width` pixels, some kilobytes; its path where it cannot be read."""
    from PIL import Image, UnidentifiedImageError

    small = io.BytesIO()
    try:
        with Image.open(file) as image:
            image.thumbnail((width, width))
            image.convert("P", palette=Image.Palette.ADAPTIVE, colors=32).save(small, "PNG", optimize=True)
    except (OSError, UnidentifiedImageError):
        return dg.MetadataValue.path(file)
    return dg.MetadataValue.md(f"![{words}](data:image/png;base64,{base64.b64encode(small.getvalue()).decode()})")


# (done, to do, what was done last: a name, or figures by name)
ShowProgress = Callable[[int, int, object], None]
_LOG_SECONDS = 30.0


@contextmanager
def progress_of(context: dg.AssetExecutionContext, what: str) -> Iterator[ShowProgress]:
    """Yields a function that shows how far `what` is; recordings, steps or utterances are counted."""
    console = Console(stderr=True)
    if not console.is_terminal:
        partition = f"{context.partition_key} " if context.has_partition_key else ""
        with minute_lines(f"{partition}{what}") as told:
            yield _log_lines(context, what, told)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=console) as bars:
        task = bars.add_task(f"{context.partition_key} {what:<11}", total=None)

        def show(done: int, total: int, last: object) -> None:
            bars.update(task, completed=done, total=total)

        yield show


def _log_lines(context: dg.AssetExecutionContext, what: str, show: Callable[[int, int, str], None]) -> ShowProgress:
    told = 0.0

    def log(done: int, total: int, last: object) -> None:
        nonlocal told
        show(done, total, _words(last))
        if done == total or time.monotonic() - told > _LOG_SECONDS:
            told = time.monotonic()
            context.log.info("%s: %d of %d, last %s", what, done, total, _words(last))

    return log


def _words(last: object) -> str:
    if not isinstance(last, Mapping):
        return str(last)
    return ", ".join(f"{name} {value:.4g}" for name, value in last.items())
