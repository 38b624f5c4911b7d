"""The journal of a takedown: its plan as a JSON file, from before anything is removed until after all of it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.lake.files import replace_bytes
from pipeline.settings import Settings
from pipeline.takedown.plan import Plan

FOLDER = "takedowns"
REPORT = "-report.json"


class TakedownIncomplete(Exception):
    """Something withdrawn is still there after all steps; the message lists it. The journal stays, to begin again."""


def pending(settings: Settings) -> list[Plan]:
    """Plans on disk that are not done, oldest first. Raises TakedownIncomplete for a file that is no journal."""
    plans = []
    for file in sorted(_folder(settings).glob("t-*.json")):
        if file.name.endswith(REPORT):
            continue
        try:
            plans.append(Plan.from_json(file.read_bytes()))
        except (ValueError, KeyError, TypeError) as error:
            raise TakedownIncomplete(f"{file}: is no journal of a takedown: {error}; restore it") from None
    return [plan for plan in plans if plan.status == "pending"]


def write(settings: Settings, plan: Plan) -> None:
    """Put the plan on disk: from now on the takedown will be finished, whatever happens to this process."""
    replace_bytes(_folder(settings) / f"{plan.takedown_id}.json", plan.to_json())


def close(settings: Settings, plan: Plan) -> None:
    """Mark the plan as done. What is kept names nobody, and neither does what a killed process left of writing it."""
    for stale in [*_folder(settings).glob(".t-*.tmp"), terms_file(settings, plan), objects_file(settings, plan)]:
        stale.unlink(missing_ok=True)
    extents = [replace(one, sources=()) for one in plan.extents]
    write(settings, replace(plan, status="done", extents=extents, rebalance=[], clips=[], warnings=[], name=""))


def terms_file(settings: Settings, plan: Plan) -> Path:
    """Where the words and the sound that are looked for lie while the takedown is pending."""
    return _folder(settings) / f"{plan.takedown_id}.terms.npz"


def objects_file(settings: Settings, plan: Plan) -> Path:
    """Where the keys of landed objects that go stand while the takedown is pending."""
    return _folder(settings) / f"{plan.takedown_id}.objects"


def report_file(settings: Settings, takedown_id: str) -> Path:
    """Where the report of a finished takedown lies."""
    return _folder(settings) / f"{takedown_id}{REPORT}"


def _folder(settings: Settings) -> Path:
    return settings.root / FOLDER
