"""What `fangyan run` says at its end: hours in and kept, the largest losses and what to do, checks, quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.advice import advise
from cli.figures import Loss, hours_by_dialect, losses, quarantined
from cli.terminal import say, warn
from pipeline.settings import Settings

if TYPE_CHECKING:
    from assets.check_results import FailedCheck

_LOSSES = 3
_LISTED = 5


def print_summary(settings: Settings, batches: Sequence[str], failed: Sequence[FailedCheck]) -> None:
    """Print what the workspace holds after a run that brought `batches` up to date and in which checks failed."""
    if not batches:
        say(f"nothing has landed in {settings.landing}: put recordings into it as <dialect>/<collection>/<file>")
        return
    say(f"up to date: {count(len(batches), 'batch', 'batches')} in {settings.root}")
    landed = _print_hours(settings)
    _print_losses(losses(settings)[:_LOSSES], landed, settings)
    _print_failed(failed)
    _print_quarantine(settings)


def _print_hours(settings: Settings) -> float:
    """Print hours by dialect; returns all hours that landed."""
    found = hours_by_dialect(settings)
    landed, kept = sum(one.hours_in for one in found), sum(one.hours_kept for one in found)
    say(f"{duration(landed)} in, {duration(kept)} kept ({share(kept, landed)}):")
    for one in found:
        recordings, segments = count(one.recordings, "recording"), count(one.segments, "segment")
        say(
            f"  {one.dialect}: {duration(one.hours_in)} in {recordings}, {duration(one.hours_kept)} kept "
            f"({share(one.hours_kept, one.hours_in)}) as {segments} of {count(one.speakers, 'speaker')}"
        )
    return landed


def _print_losses(found: Sequence[Loss], landed: float, settings: Settings) -> None:
    if found:
        say("the largest losses, and what to do:")
    for loss in found:
        extent = f"{duration(loss.hours)} ({share(loss.hours, landed)}) of {count(loss.files, 'file')}"
        say(f"  {loss.stage}, {loss.reason}: {extent}")
        say(f"    {advise(loss.stage, loss.reason, settings)}")


def _print_failed(failed: Sequence[FailedCheck]) -> None:
    # What is in quarantine is listed by itself.
    others = [one for one in failed if one.check != "nothing_quarantined"]
    if others:
        warn("checks that failed in this run:")
    for one in others:
        where = " ".join(filter(None, (one.asset, one.partition)))
        warn(f"  {where}: {one.check}{f': {one.description}' if one.description else ''}")


def _print_quarantine(settings: Settings) -> None:
    found = quarantined(settings)
    if not found:
        return
    warn(f"{count(len(found), 'file')} in quarantine; mend them, then `fangyan run --retry-quarantined`:")
    for one in found[:_LISTED]:
        warn(f"  {one.stage}, {one.reason}: {one.message or one.source}")
    if len(found) > _LISTED:
        warn(f"  and {len(found) - _LISTED} more: fangyan sql 'SELECT source, stage, reason, message FROM quarantine'")


def duration(hours: float) -> str:
    """Hours, or minutes where there is less than one hour."""
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun: 1 file, 2 files."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def share(part: float, whole: float) -> str:
    """A percentage without decimals, "none" of nothing."""
    return f"{part / whole:.0%}" if whole else "none"
