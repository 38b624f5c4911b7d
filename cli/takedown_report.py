"""What `takedown` prints: what goes, what could not be searched, where the withdrawn may remain."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from cli.terminal import add_row, say, warn
from pipeline.settings import Settings

INCOMPLETE = 3
"""Exit code of a takedown after which somebody has to look at places that could not be searched."""
_MANY, _MOST = 10, 30


def show_takedown(settings: Settings, plan: Any, inventory: Any, dry_run: bool) -> None:
    """Print a takedown that is done, or would be; ends with exit code INCOMPLETE if places have to be looked at."""
    from pipeline.takedown.journal import report_file
    from pipeline.takedown.report import make_report

    report = make_report(settings, plan, inventory)
    _show_removals(inventory, dry_run)
    for one in plan.extents:
        extent = "whole" if one.whole else f"{len(one.spans)} spans of {', '.join(one.local_speakers)}, and the file"
        say(f"recording {one.recording_id}: {extent}, {one.seconds:.1f} s")
    for name in plan.tainted:
        say(f"model {name}: {'would be' if dry_run else 'is'} tainted")
    for name in plan.copies:
        say(f"recording {name} repeats some of it under a consent of its own and stays; take it down too if it must go")
    _show_report(report)
    if dry_run:
        return
    say(f"the report is {report_file(settings, plan.takedown_id)}")
    if not report.complete:
        warn(f"takedown {plan.takedown_id} removed what it found but is not complete; the catalog is rebuilt")
        raise typer.Exit(INCOMPLETE)
    say(f"takedown {plan.takedown_id} is done; the catalog is rebuilt")


def stop_if_incomplete(settings: Settings, takedowns: Iterable[str]) -> None:
    """End with exit code INCOMPLETE if a report of these takedowns lists places to look at."""
    from pipeline.takedown.journal import report_file

    reports = [json.loads(report_file(settings, name).read_bytes()) for name in takedowns]
    if not all(report["complete"] for report in reports):
        raise typer.Exit(INCOMPLETE)


def _show_removals(inventory: Any, dry_run: bool) -> None:
    table = Table("what", "where", "count", "seconds", title="would go" if dry_run else "gone")
    for one in _folded(inventory.removals):
        add_row(table, one.what, one.place, str(one.count), f"{one.seconds:.1f}" if one.seconds else "")
    Console().print(table)


def _show_report(report: Any) -> None:
    say(f"searched: {', '.join(f'{count} files in {name}' for name, count in report.searched.items())}")
    for words in report.found_by_content[:_MOST]:
        say(f"found by what is in it: {words}")
    if len(report.found_by_content) > _MOST:
        say(f"found by what is in it: {len(report.found_by_content) - _MOST} more, see the report")
    for words in report.warnings:
        warn(words)
    for place, why in report.not_searched.items():
        warn(f"could not be searched: {place}: {why}; look at it, and delete it if it holds any of it")
    for place in report.mentions:
        warn(f"names a speaker or file that is withdrawn, and stays: {place}; look at it")
    for words in report.handed_out:
        warn(f"was handed out: {words}; ask for its deletion")
    say("may remain where no takedown looks:")
    for words in report.may_remain:
        say(f"  {words}")


def _folded(removals: list[Any]) -> list[Any]:
    """Files of one folder as one line where there are many."""
    folders = Counter((one.what, one.place.rpartition("/")[0]) for one in removals)
    lines: dict[tuple[str, str], Any] = {}
    for one in removals:
        folder = one.what, one.place.rpartition("/")[0]
        many = folders[folder] > _MANY and one.what in ("file", "landed file", "part file")
        key = (one.what, f"{folder[1]}/*") if many else (one.what, one.place)
        before = lines[key].count if key in lines else 0
        lines[key] = replace(one, place=key[1], count=before + one.count)
    return list(lines.values())
