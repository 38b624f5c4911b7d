"""`consent`, `takedown` and `audit`: the commands about rights, for the command line to include."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.takedown_report import show_takedown, stop_if_incomplete
from cli.terminal import Config, WorkspaceFolder, add_row, read_settings, say, stop

consent_app = typer.Typer(help="Who agreed to which use of which recordings.", no_args_is_help=True)
audit_app = typer.Typer(help="The log of what was done to rights and models.", no_args_is_help=True)

_MANY = 10
ConsentId = Annotated[str, typer.Argument(metavar="ID", help="id of the consent")]
Reason = Annotated[str, typer.Option(help="why; goes into the audit log")]


@consent_app.command("add")
def consent_add(
    consent_id: ConsentId,
    scope: Annotated[
        list[str], typer.Option(help="asr, tts_training, voice_cloning, commercial or publication; may be repeated")
    ],
    recordings: Annotated[
        list[str] | None, typer.Option(help="pattern of paths below landing, ** spans folders; may be repeated")
    ] = None,
    speaker: Annotated[str | None, typer.Option(help="name in the metadata column speaker")] = None,
    subject: Annotated[str | None, typer.Option(help="who agreed, or the name under which they are known")] = None,
    begins: Annotated[str | None, typer.Option("--from", help="first day, YYYY-MM-DD")] = None,
    until: Annotated[str | None, typer.Option(help="last day, YYYY-MM-DD")] = None,
    evidence: Annotated[Path | None, typer.Option(help="file that proves it; copied beside the consents")] = None,
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Write down that somebody agreed; what no consent covers is not used."""
    from pipeline.rights.audit import AuditBroken
    from pipeline.rights.consent_store import ConsentError, add

    values: dict[str, Any] = {"consent_id": consent_id, "scopes": scope, "recordings": recordings or []}
    values |= {"speaker": speaker, "subject": subject, "from": begins, "until": until}
    try:
        consent = add(read_settings(config, workspace), values, evidence)
    except (ConsentError, AuditBroken, OSError) as error:
        stop(str(error))
    say(f"consent {consent.consent_id} covers {_covers(consent)} for {', '.join(consent.scopes)}")
    if consent.evidence_sha256:
        say(f"evidence {consent.evidence}, SHA-256 {consent.evidence_sha256}")


@consent_app.command("list")
def consent_list(config: Config = None, workspace: WorkspaceFolder = None) -> None:
    """Every consent and whether it holds today."""
    from pipeline.rights.consent_store import state
    from pipeline.rights.consents import CONSENTS_FILE, read_consents

    settings = read_settings(config, workspace)
    consents, complaints = read_consents(settings.landing / CONSENTS_FILE)
    table = Table("consent", "subject", "covers", "scopes", "from", "until", "today")
    for one in consents:
        days = [str(day or "") for day in (one.valid_from, one.valid_until)]
        add_row(table, one.consent_id, one.subject or "", _covers(one), " ".join(one.scopes), *days, state(one))
    Console().print(table)
    for complaint in complaints:
        Console(stderr=True).print(complaint, style="yellow", markup=False, highlight=False, soft_wrap=True)


@consent_app.command("show")
def consent_show(consent_id: ConsentId, config: Config = None, workspace: WorkspaceFolder = None) -> None:
    """One consent with its evidence checked against the hash (exit code 1 if it is not what was written down)."""
    from pipeline.rights.consent_store import ConsentError, check_evidence, find, state

    settings = read_settings(config, workspace)
    try:
        consent = find(settings, consent_id)
    except ConsentError as error:
        stop(str(error))
    for key, value in consent.row().items():
        if value not in (None, []):
            say(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    say(f"today: {state(consent)}")
    wrong = check_evidence(settings, consent)
    if wrong and consent.evidence:
        stop(wrong)
    say(wrong or "evidence: is there and has its hash")


@consent_app.command("revoke")
def consent_revoke(
    consent_id: ConsentId, reason: Reason = "", config: Config = None, workspace: WorkspaceFolder = None
) -> None:
    """Withdraw a consent from today: nothing new is used. What is there already, `fangyan takedown` removes."""
    from pipeline.rights.audit import AuditBroken
    from pipeline.rights.consent_store import ConsentError, revoke

    try:
        revoke(read_settings(config, workspace), consent_id, reason)
    except AuditBroken as error:
        stop(f"consent {consent_id} is revoked, but that is not logged: {error}")
    except (ConsentError, OSError) as error:
        stop(str(error))
    say(f"consent {consent_id} is revoked; `fangyan takedown --consent {consent_id}` removes what it had allowed")


def takedown(
    recording: Annotated[str | None, typer.Option(help="recording_id, or its path below landing")] = None,
    speaker: Annotated[str | None, typer.Option(help="speaker_id, or a name in the metadata column speaker")] = None,
    consent: Annotated[str | None, typer.Option(help="consent_id: what came in under it, or it alone covers")] = None,
    dry_run: Annotated[bool, typer.Option(help="show what would go and change nothing")] = False,
    resume: Annotated[bool, typer.Option(help="only finish takedowns that were interrupted")] = False,
    reason: Reason = "",
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Remove audio and everything made from it, leave a tombstone, mark models that learned from it as tainted.

    Exit code 1: nothing was found, or it has to be finished with --resume. 3: what was found is gone, but there are
    places that could not be searched or that name the speaker; they are listed, and in takedowns/ID-report.json.
    """
    from pipeline.takedown import takedown as carried
    from pipeline.takedown.plan import NothingToTakeDown

    settings = read_settings(config, workspace)
    given: list[tuple[Any, str]] = [
        (kind, name)
        for kind, name in (("recording", recording), ("speaker", speaker), ("consent", consent))
        if name is not None
    ]
    if len(given) != (0 if resume else 1):
        stop("give one of --recording, --speaker and --consent, or --resume alone")
    try:
        if resume:
            done = carried.finish_pending(settings, say)
            say(f"{len(done)} interrupted takedowns finished")
            stop_if_incomplete(settings, done)
            return
        kind, name = given[0]
        if dry_run:
            plan, inventory = carried.preview(settings, kind, name, say)
        else:
            plan, inventory = carried.take_down(settings, kind, name, reason, say)
    except (NothingToTakeDown, carried.TakedownIncomplete) as error:
        stop(str(error))
    except OSError as error:
        stop(f"{error}; mend that, then `fangyan takedown --resume` finishes what has begun")
    show_takedown(settings, plan, inventory, dry_run)


@audit_app.command("verify")
def audit_verify(
    holds: Annotated[str | None, typer.Option(help="hash that was noted earlier and must be in the log")] = None,
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Check that no entry was edited, removed, inserted or moved (exit code 1 and the first broken entry if so)."""
    from pipeline.rights.audit import verify

    verdict = verify(read_settings(config, workspace).root, holds)
    for note in verdict.notes:
        say(note)
    if verdict.broken:
        stop(f"{verdict.broken} ({verdict.entries} entries before it are sound)")
    say(f"{verdict.entries} entries, none changed; last hash {verdict.last_hash}")
    say("note that hash elsewhere: whoever can write the log and its head can forge both")


@audit_app.command("show")
def audit_show(
    last: Annotated[int, typer.Option(min=1, help="so many entries from the end")] = 20,
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Print the last entries."""
    import json
    from collections import deque

    from pipeline.rights.audit import read

    table = Table("index", "time (UTC)", "actor", "action", "subject", "details")
    for entry in deque(read(read_settings(config, workspace).root), maxlen=last):
        cells = [str(entry.get(key, "")) for key in ("index", "time", "actor", "action", "subject")]
        add_row(table, *cells, json.dumps(entry.get("details"), ensure_ascii=False))
    Console().print(table)


def _covers(consent: Any) -> str:
    parts = [*consent.recordings, *([f"speaker {consent.speaker}"] if consent.speaker else [])]
    return ", ".join(parts) or "recordings whose metadata name it"
