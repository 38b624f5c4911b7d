"""Carries a takedown out: journal first, then steps that can be repeated, so that a killed one is finished later.

Removed files are unlinked; copies outside of the workspace (backups, exports elsewhere) are out of its reach, and
what a file system keeps of freed blocks is too. What a takedown resolves to is in plan.py, where it lies in
inventory.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from pipeline import batches
from pipeline.corpus.build import build_corpus
from pipeline.corpus.build_speakers import build_speakers
from pipeline.lake.catalog import build_catalog
from pipeline.lake.lake import Lake
from pipeline.lake.lock import taking_down
from pipeline.lake.rows import Row
from pipeline.releases.names import is_file_of_release
from pipeline.releases.takedown import take_out
from pipeline.rights import audit
from pipeline.rights.consent_store import revoke
from pipeline.rights.tombstones import TABLE as TOMBSTONES
from pipeline.settings import Settings
from pipeline.takedown import journal, versions
from pipeline.takedown.content.collect import collect_terms
from pipeline.takedown.content.terms import Terms
from pipeline.takedown.examine import Examiner, still_there, take_inventory
from pipeline.takedown.inventory import Inventory, Removal, landed_removals
from pipeline.takedown.journal import TakedownIncomplete
from pipeline.takedown.ledger_balance import balance
from pipeline.takedown.models import mark_tainted
from pipeline.takedown.plan import Plan, consent_holds, counts, make_plan
from pipeline.takedown.report import goes_of, make_report, write_report
from pipeline.takedown.rows import clean
from pipeline.takedown.subjects import Kind

Say = Callable[[str], None]


def preview(settings: Settings, kind: Kind, subject: str, say: Say = lambda words: None) -> tuple[Plan, Inventory]:
    """What a takedown would touch; changes nothing. Raises NothingToTakeDown."""
    plan = make_plan(settings, kind, subject)
    return plan, take_inventory(settings, plan, _terms(settings, plan), say)


def take_down(
    settings: Settings, kind: Kind, subject: str, reason: str = "", say: Say = lambda words: None
) -> tuple[Plan, Inventory]:
    """Remove what an id covers, from everywhere. Raises NothingToTakeDown, TakedownIncomplete.

    Waits until nobody writes to the workspace. From the moment the journal is on disk it will be finished, by this
    call or by `finish_pending`.
    """
    with taking_down(settings.root, lambda: say("waiting until a running stage has finished")):
        for left in journal.pending(settings):
            _carry_on(settings, left, say)
        plan = make_plan(settings, kind, subject, reason)
        terms = _terms(settings, plan)
        inventory = take_inventory(settings, plan, terms, say)
        # None of it can be counted or collected any more once it is gone.
        plan.rows, plan.clips = dict(inventory.rows), sorted(inventory.clips)
        # The journal first: terms without one would keep words that nobody removes; without them they are collected.
        journal.write(settings, plan)
        terms.save(journal.terms_file(settings, plan))
        _carry_out(settings, plan, terms, inventory, say)
    return plan, inventory


def finish_pending(settings: Settings, say: Say = lambda words: None) -> list[str]:
    """Finish takedowns that were interrupted; their ids. Costs next to nothing when there are none."""
    if not is_pending(settings):
        return []
    done = []
    with taking_down(settings.root):
        for plan in journal.pending(settings):
            say(f"finishing takedown {plan.takedown_id}, which was interrupted")
            _carry_on(settings, plan, say)
            done.append(plan.takedown_id)
    return done


def is_pending(settings: Settings) -> bool:
    """True if a takedown has begun that is not done. Raises TakedownIncomplete for a journal that cannot be read."""
    return bool(journal.pending(settings))


def _terms(settings: Settings, plan: Plan) -> Terms:
    return collect_terms(settings, plan.withdrawal, landed_removals(settings, plan.extents)[1], plan.name)


def _carry_on(settings: Settings, plan: Plan, say: Say) -> None:
    """Carry out a plan from a journal: what is left of the workspace is looked through again."""
    file = journal.terms_file(settings, plan)
    terms = Terms.load(file, plan.withdrawal) if file.exists() else _terms(settings, plan)
    _carry_out(settings, plan, terms, take_inventory(settings, plan, terms, say), say)


def _carry_out(settings: Settings, plan: Plan, terms: Terms, inventory: Inventory, say: Say) -> None:
    _log(settings, "takedown.begin", plan, say)
    _write_tombstones(settings, plan)
    if plan.kind == "consent" and consent_holds(settings, plan.subject_id):
        _revoke(settings, plan, say)
    why = f"takedown {plan.takedown_id} withdrew something that it learned from"
    mark_tainted(settings, plan.tainted, why)
    say("removing landed files, rows and files")
    objects = journal.objects_file(settings, plan)
    versions.note(objects, (removal.path for removal in inventory.removals), settings.landing)
    inventory.unsearchable |= versions.unseen(settings)
    _remove(settings, plan, terms, inventory, say)
    for name in take_out(settings, plan.takedown_id, goes_of(plan), lambda text: terms.in_text(text) is not None):
        say(f"release {name} says what was taken out, and has another hash now")
    balance(Lake(settings.lake), plan.rebalance)
    say("rebuilding speakers, corpus and catalog")
    rebuilt = _rebuild(settings)
    if count := versions.purge(settings, versions.noted(objects)):
        say(f"{count} older versions of objects deleted")
    _check_nothing_left(settings, plan, terms, inventory, rebuilt)
    report = make_report(settings, plan, inventory)
    file = write_report(settings, report)
    if not report.complete:
        places = len(report.not_searched) + len(report.mentions)
        say(f"takedown {plan.takedown_id}: {places} places have to be looked at by a person, see {file}")
    _log(settings, "takedown.done", plan, say, complete=report.complete)
    journal.close(settings, plan)


def _revoke(settings: Settings, plan: Plan, say: Say) -> None:
    say(f"revoking consent {plan.subject_id}")
    try:
        revoke(settings, plan.subject_id, plan.reason)
    except audit.AuditBroken as error:
        say(f"revoked, but not logged: {error}")


def _write_tombstones(settings: Settings, plan: Plan) -> None:
    """Before anything goes: from now on the same audio is refused."""
    rows: list[Row] = [
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
        for one in plan.extents
        for digest in one.file_sha256s or (None,)
    ]
    Lake(settings.lake).write(TOMBSTONES, plan.takedown_id, rows)


def _remove(settings: Settings, plan: Plan, terms: Terms, inventory: Inventory, say: Say) -> None:
    for file in inventory.others:
        say(f"{file} holds another recording by now and stays")
    examiner = Examiner(settings, plan, terms, inventory)
    for removal in inventory.removals:
        if not is_file_of_release(settings, removal.path):
            _remove_one(examiner, removal)
    whole = {source for one in plan.extents if one.whole for source in one.sources}
    in_part = {source for one in plan.extents if not one.whole for source in one.sources}
    batches.withdraw(settings.root, whole, in_part)


def _remove_one(examiner: Examiner, removal: Removal) -> None:
    file = removal.path
    match removal.what:
        case "rows" if removal.by_content:
            examiner.searcher.remove_rows(file)
        case "rows":
            clean(file, examiner.table_name(file), examiner.withdrawal, apply=True)
        case "lines":
            examiner.searcher.remove_lines(file, examiner.metadata_folder(file))
        case "folder":
            # A cache may be a link to another disk.
            shutil.rmtree(file.resolve())
            if file.is_symlink():
                file.unlink()
        case "unreadable":
            pass
        case _:
            file.unlink(missing_ok=True)


def _rebuild(settings: Settings) -> list[Path]:
    """Build again what is made of all recordings; the tables' files."""
    lake = Lake(settings.lake)
    if lake.partitions("speakers"):
        build_speakers(lake, settings)
    if lake.partitions("corpus"):
        build_corpus(lake, settings)
    build_catalog(lake, settings.catalog)
    return [lake.path(table, name).resolve() for table in ("speakers", "corpus") for name in lake.partitions(table)]


def _check_nothing_left(
    settings: Settings, plan: Plan, terms: Terms, inventory: Inventory, rebuilt: list[Path]
) -> None:
    left = [
        f"{one.place}: {'cannot be read as Parquet: mend or delete it' if one.what == 'unreadable' else one.what}"
        for one in still_there(settings, plan, terms, inventory, rebuilt)
    ]
    left += versions.kept(settings, versions.noted(journal.objects_file(settings, plan)))
    if left:
        raise TakedownIncomplete(
            f"takedown {plan.takedown_id} left {len(left)} places, begin again with "
            f"`fangyan takedown --resume`: {'; '.join(left[:20])}"
        )


def _log(settings: Settings, action: str, plan: Plan, say: Say, **more: bool) -> None:
    """A broken log must be mended, but it does not stop anybody from taking their voice back."""
    try:
        audit.append(settings.root, action, plan.subject_id, {**counts(plan), **more})
    except audit.AuditBroken as error:
        say(f"not logged: {error}")
