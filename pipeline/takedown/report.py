"""The report of a takedown: what was searched and removed, what could not be searched, where the withdrawn may remain.

It names no withdrawn file and nobody, but for places that somebody has to look at.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.lake.files import replace_bytes
from pipeline.lake.rows import Row
from pipeline.releases.handed_out import handed_out
from pipeline.settings import Settings
from pipeline.takedown.content.terms import LEAST_IDEOGRAPHS, LEAST_LETTERS
from pipeline.takedown.inventory import Inventory
from pipeline.takedown.journal import report_file
from pipeline.takedown.plan import Plan


@dataclass
class Report:
    """`complete` if every file could be searched; `searched` files by folder; `removed` by what it was."""

    takedown_id: str
    complete: bool
    searched: dict[str, int]
    removed: dict[str, int]
    found_by_content: list[str] = field(default_factory=list)
    """Files that are not ours and went, whole or in part, because of words, names or sound in them."""
    not_searched: dict[str, str] = field(default_factory=dict)
    mentions: list[str] = field(default_factory=list)
    may_remain: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    handed_out: list[str] = field(default_factory=list)
    """Exports that held something of these recordings, with to whom they went, as far as the audit log knows."""


def make_report(settings: Settings, plan: Plan, inventory: Inventory) -> Report:
    """The report of a takedown whose removals are done, or would be."""
    removed: Counter[str] = Counter()
    for one in inventory.removals:
        removed[one.what] += one.count
    return Report(
        takedown_id=plan.takedown_id,
        complete=not (inventory.unsearchable or inventory.mentions),
        searched=dict(sorted(inventory.searched.items())),
        removed=dict(sorted(removed.items())),
        found_by_content=sorted(
            f"{one.place}: {_extent(one.what, one.count)}"
            for one in inventory.removals
            # Names of files in the landing folder are of withdrawn people's recordings.
            if one.by_content and not one.path.is_relative_to(settings.landing.resolve())
        ),
        not_searched=dict(sorted(inventory.unsearchable.items())),
        mentions=sorted(inventory.mentions),
        may_remain=_may_remain(plan, inventory.short_texts),
        warnings=list(plan.warnings),
        handed_out=list(map(str, handed_out(settings.root, [one.recording_id for one in plan.extents]))),
    )


def goes_of(plan: Plan) -> Callable[[Row], bool]:
    """Judges a row outside of the lake: whether the plan takes it."""
    return lambda row: plan.withdrawal.of_row("", row) is not None


def write_report(settings: Settings, report: Report) -> Path:
    """Put the report beside the journal; its file."""
    file = report_file(settings, report.takedown_id)
    replace_bytes(file, json.dumps(asdict(report), indent=1, ensure_ascii=False).encode())
    return file


def _extent(what: str, count: int) -> str:
    return "the whole file, which cannot be cut by rows" if what == "file" else f"{count} {what}"


def _may_remain(plan: Plan, short_texts: int) -> list[str]:
    """Where no takedown looks."""
    places = [
        "backups, snapshots and copies of the workspace",
        "exports and listening pages that were handed out or lie outside of the workspace (exports that the audit log "
        "knows of are listed)",
        "models that were trained elsewhere on an export",
        "Dagster's event log and its logs of runs, which keep names of files, no words and no sound",
        "landing: sound in another encoding, louder, trimmed or mixed, which is a recording with a consent of its own",
        "sound shorter than a second, or changed in speed or pitch; words cut, translated or in the other script",
        "consents and their evidence, which prove what was allowed, and the audit log, which has ids alone",
    ]
    if plan.tainted:
        places.append(f"weights of the tainted models {', '.join(plan.tainted)}: delete their folders below models/")
    if plan.copies:
        places.append(f"recordings that repeat some of it under consents of their own: {', '.join(plan.copies)}")
    if short_texts:
        places.append(
            f"{short_texts} texts of fewer than {LEAST_IDEOGRAPHS} characters (or {LEAST_LETTERS} letters): "
            "too common to be searched for alone"
        )
    if any(not one.whole for one in plan.extents):
        places.append("turns of other speakers in shared recordings: diarization errs (see the warnings)")
    return places
