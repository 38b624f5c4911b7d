"""Carries a takedown out: journal first, then steps that can be repeated, so that a killed one is finished later.

Removed files are unlinked; copies outside of the workspace (backups, exports elsewhere) are out of its reach, and
what a file system keeps of freed blocks is too. What a takedown resolves to is in takedown_plan.py.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from pipeline import batches
from pipeline.corpus.build import build_corpus, build_speakers
from pipeline.lake.catalog import build_catalog
from pipeline.lake.files import replace_bytes
from pipeline.lake.lake import Lake
from pipeline.lake.lock import taking_down
from pipeline.lake.rows import Row
from pipeline.rights import audit
from pipeline.rights.consent_store import revoke
from pipeline.rights.consents import TAINTED
from pipeline.rights.tombstones import TABLE as TOMBSTONES
from pipeline.settings import Settings
from pipeline.takedown import files
from pipeline.takedown.plan import WITHDRAWN, Plan, cards, consent_stands, counts, make_plan
from pipeline.takedown.rows import Clip, clean
from pipeline.takedown.subjects import Kind

Say = Callable[[str], None]
_JOURNALS = "takedowns"


class TakedownIncomplete(Exception):
    """Something withdrawn is still there after all steps; the message lists it. The journal stays, to begin again."""


@dataclass(frozen=True)
class Touch:
    """A place that a takedown changes: rows of a table, lines or files."""

    what: str
    place: str
    count: int
    seconds: float = 0.0


def preview(settings: Settings, kind: Kind, subject: str) -> tuple[Plan, list[Touch]]:
    """What a takedown would touch; changes nothing. Raises NothingToTakeDown."""
    plan = make_plan(settings, kind, subject)
    return plan, _survey(settings, plan)


def take_down(
    settings: Settings, kind: Kind, subject: str, reason: str = "", say: Say = lambda words: None
) -> tuple[Plan, list[Touch]]:
    """Remove what an id covers, from everywhere. Raises NothingToTakeDown, TakedownIncomplete.

    Waits until nobody writes to the workspace. From the moment the journal is on disk it will be finished, by this
    call or by `finish_pending`.
    """
    with taking_down(settings.root, lambda: say("waiting until a running stage has finished")):
        for left in _pending(settings):
            _carry_out(settings, left, say)
        plan = make_plan(settings, kind, subject, reason)
        touches = _survey(settings, plan)
        write_journal(settings, plan)
        _carry_out(settings, plan, say)
    return plan, touches


def finish_pending(settings: Settings, say: Say = lambda words: None) -> list[str]:
    """Finish takedowns that were interrupted; their ids. Costs next to nothing when there are none."""
    if not is_pending(settings):
        return []
    done = []
    with taking_down(settings.root):
        for plan in _pending(settings):
            say(f"finishing takedown {plan.takedown_id}, which was interrupted")
            _carry_out(settings, plan, say)
            done.append(plan.takedown_id)
    return done


def is_pending(settings: Settings) -> bool:
    """True if a takedown has begun that is not done. Raises TakedownIncomplete for a journal that cannot be read."""
    return bool(_pending(settings))


def _carry_out(settings: Settings, plan: Plan, say: Say) -> None:
    _log(settings, "takedown.begin", plan, say)
    _bury(settings, plan)
    if plan.kind == "consent" and consent_stands(settings, plan.subject_id):
        say(f"revoking consent {plan.subject_id}")
        try:
            revoke(settings, plan.subject_id, plan.reason)
        except audit.AuditBroken as error:
            say(f"revoked, but not logged: {error}")
    _taint(settings, plan)
    say("removing landed files")
    _clear_landing(settings, plan, say)
    say("removing rows and files")
    for _ in _sweep(settings, plan, apply=True):
        pass
    _rebalance(settings, plan)
    say("rebuilding speakers, corpus and catalog")
    _rebuild(settings)
    left = [f"{touch.place}: {touch.what}" for touch in _sweep(settings, plan, apply=False)]
    left += [str(file) for one in plan.takings for file in files.landed(settings, one)[0]]
    if left:
        raise TakedownIncomplete(
            f"takedown {plan.takedown_id} left {len(left)} places, begin again with "
            f"`fangyan takedown --resume`: {'; '.join(left[:20])}"
        )
    _log(settings, "takedown.done", plan, say)
    # What is kept names nobody, and neither does what a killed process left of writing it.
    for stale in (settings.root / _JOURNALS).glob(".t-*.tmp"):
        stale.unlink(missing_ok=True)
    takings = [replace(one, sources=()) for one in plan.takings]
    write_journal(settings, replace(plan, status="done", takings=takings, rebalance=[], clips=[]))


def _survey(settings: Settings, plan: Plan) -> list[Touch]:
    """What the sweep would do; notes the clips and rows in the plan, which cannot be counted once they are gone."""
    by_recording: Counter[str] = Counter()
    clips: list[Clip] = []
    touches = list(_sweep(settings, plan, apply=False, by_recording=by_recording, clips=clips))
    plan.rows, plan.clips = dict(by_recording), sorted(set(clips))
    # Only now is it known which loose files have the bytes of a withdrawn clip.
    known = {touch.place for touch in touches}
    touches += [touch for touch in _files(settings, plan, apply=False) if touch.place not in known]
    landed = [file for one in plan.takings for file in files.landed(settings, one)[0]]
    metadata = [Touch("metadata, cut", _place(settings, file), 1) for file in _metadata(settings, plan, apply=False)]
    return [*(Touch("landed file", _place(settings, file), 1) for file in landed), *metadata, *touches]


def _sweep(
    settings: Settings,
    plan: Plan,
    apply: bool,
    by_recording: Counter[str] | None = None,
    clips: list[Clip] | None = None,
) -> Iterator[Touch]:
    """Every place but landing that holds something withdrawn; `apply` removes it there."""
    withdrawal = plan.withdrawal
    if not withdrawal.takings and not withdrawal.tainted:
        return
    sources = {source for one in plan.takings for source in one.sources}
    lake = settings.lake.resolve()
    for file in files.walk(settings):
        place = _place(settings, file)
        if file.suffix == ".parquet" and not file.name.startswith("."):
            if file.is_relative_to(lake / ".parts"):
                if files.is_part(file, withdrawal, sources):
                    yield Touch("part file", place, 1)
                    if apply:
                        file.unlink(missing_ok=True)
                continue
            table = file.parent.name if file.parent.parent == lake else ""
            try:
                removed = clean(file, table, withdrawal, apply)
            except (pa.ArrowException, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                # Arrow reports damaged pages by an OSError without a number. Nobody can tell what is in them; the rest
                # goes all the same, and the takedown waits for this file.
                yield Touch("cannot be read as Parquet: mend or delete it", place, 1)
                continue
            if by_recording is not None and clips is not None:
                by_recording.update(removed.by_recording)
                clips += removed.clips
            if removed.changed:
                yield Touch("rows", place, removed.rows, removed.seconds)
        elif file.suffix == ".jsonl" and file.name != audit.LOG and withdrawal.takings:
            lines = files.lines_without(file, withdrawal, apply)
            if lines:
                yield Touch("lines", place, lines)
    yield from _files(settings, plan, apply)


def _files(settings: Settings, plan: Plan, apply: bool) -> Iterator[Touch]:
    models = [folder.resolve() for folder, card in cards(settings) if _id(folder, card) in plan.tainted]
    unfinished = [folder for name in plan.unfinished if (folder := settings.root / name).is_dir()]
    for file in [*unfinished, *files.loose(settings, plan.withdrawal, plan.clips, models)]:
        yield Touch("folder" if file.is_dir() else "file", _place(settings, file), 1)
        if apply and file.is_dir():
            # A cache may be a link to another disk.
            shutil.rmtree(file.resolve())
            if file.is_symlink():
                file.unlink()
        elif apply:
            file.unlink(missing_ok=True)


def _bury(settings: Settings, plan: Plan) -> None:
    """The tombstones, before anything goes: from now on the same audio is refused."""
    rows: list[Row] = []
    for one in plan.takings:
        for digest in one.file_sha256s or (None,):
            rows.append(
                {
                    "takedown_id": plan.takedown_id,
                    "kind": plan.kind,
                    "subject_id": plan.subject_id,
                    "recording_id": one.recording_id,
                    "extent": "whole" if one.whole else "spans",
                    "audio_sha256": one.audio_sha256,
                    "file_sha256": digest,
                    "seconds": one.seconds,
                    "rows": plan.rows.get(one.recording_id, 0),
                    "withdrawn": plan.requested,
                    "reason": plan.reason or None,
                }
            )
    Lake(settings.lake).write(TOMBSTONES, plan.takedown_id, rows)


def _taint(settings: Settings, plan: Plan) -> None:
    """Mark models in table and cards, so that neither promotion nor loading takes them."""
    lake = Lake(settings.lake)
    why = f"takedown {plan.takedown_id} withdrew something that it learned from"
    status = {"status": TAINTED, "status_reason": why}
    for partition in lake.partitions("models"):
        rows = lake.rows("models", partition)
        stale = [row for row in rows if row["model_id"] in plan.tainted and row["status"] != TAINTED]
        for row in stale:
            row |= status
            if row["card"]:
                row["card"] = json.dumps(json.loads(row["card"]) | status, ensure_ascii=False, sort_keys=True)
        if stale:
            lake.write("models", partition, rows)
    for folder, card in cards(settings):
        if _id(folder, card) in plan.tainted and card.get("status") != TAINTED:
            _taint_readme(folder / "README.md", why)
            content = json.dumps(card | status, ensure_ascii=False, indent=1, sort_keys=True)
            replace_bytes(folder / "card.json", f"{content}\n".encode())


def _taint_readme(file: Path, why: str) -> None:
    """The line of status that the card for people has; another one, if there is any, is left alone."""
    if file.is_file():
        line = f"**Status: {TAINTED}**: {why}".encode()
        replace_bytes(file, re.sub(rb"(?m)^\*\*Status: .*$", lambda found: line, file.read_bytes()))


def _clear_landing(settings: Settings, plan: Plan, say: Say) -> None:
    for one in plan.takings:
        ours, others = files.landed(settings, one)
        for file in ours:
            file.unlink(missing_ok=True)
        for file in others:
            say(f"{file} holds another recording by now and stays")
    _metadata(settings, plan, apply=True)
    whole = {source for one in plan.takings if one.whole for source in one.sources}
    in_part = {source for one in plan.takings if not one.whole for source in one.sources}
    batches.withdraw(settings.root, whole, in_part)


def _metadata(settings: Settings, plan: Plan, apply: bool) -> list[Path]:
    """Lines about the files that go; not of names that another recording has by now."""
    sources = {
        source
        for one in plan.takings
        for source in one.sources
        if settings.landing / source not in files.landed(settings, one)[1]
    }
    return files.metadata_without(settings.landing, sources, apply)


def _rebalance(settings: Settings, plan: Plan) -> None:
    """Move seconds that were passed on and are gone now to dropped, so that the ledger adds up."""
    lake = Lake(settings.lake)
    for one in plan.rebalance:
        rows = lake.rows("ledger", one.partition)
        own = [row for row in rows if row["source"] == one.source]
        if not own:
            continue
        shared = {key: own[0][key] for key in ("source", "recording_id", "batch", "stage", "provenance")}
        kept = [row for row in rows if row["source"] != one.source]
        kept += [row for row in own if row["outcome"] != "passed" and row["reason"] != WITHDRAWN]
        if one.passed > 0.0:
            kept.append(shared | {"outcome": "passed", "reason": "", "seconds": one.passed})
        kept.append(shared | {"outcome": "dropped", "reason": WITHDRAWN, "seconds": one.withdrawn})
        lake.write("ledger", one.partition, kept)


def _rebuild(settings: Settings) -> None:
    lake = Lake(settings.lake)
    if lake.partitions("speakers"):
        build_speakers(lake, settings)
    if lake.partitions("corpus"):
        build_corpus(lake, settings)
    build_catalog(lake, settings.catalog)


def _log(settings: Settings, action: str, plan: Plan, say: Say) -> None:
    """A broken log must be mended, but it does not stop anybody from taking their voice back."""
    try:
        audit.append(settings.root, action, plan.subject_id, counts(plan))
    except audit.AuditBroken as error:
        say(f"not logged: {error}")


def _pending(settings: Settings) -> list[Plan]:
    """Plans on disk that are not done, oldest first."""
    plans = []
    for file in sorted((settings.root / _JOURNALS).glob("t-*.json")):
        try:
            plans.append(Plan.from_json(file.read_bytes()))
        except (ValueError, KeyError, TypeError) as error:
            raise TakedownIncomplete(f"{file}: is no journal of a takedown: {error}; restore it") from None
    return [plan for plan in plans if plan.status == "pending"]


def write_journal(settings: Settings, plan: Plan) -> None:
    replace_bytes(settings.root / _JOURNALS / f"{plan.takedown_id}.json", plan.to_json())


def _id(folder: Path, card: dict) -> str:
    return card.get("model_id") or folder.name


def _place(settings: Settings, file: Path) -> str:
    for root in (settings.root, settings.root.resolve()):
        if file.is_relative_to(root):
            return file.relative_to(root).as_posix()
    return str(file)
