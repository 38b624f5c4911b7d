"""`consent`, `takedown` and `audit`: the commands about rights, for the command line to include."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli.takedown_report import show_takedown, stop_if_incomplete
from cli.terminal import Config, WorkspaceFolder, read_settings, say, stop, warn
from pipeline.settings import Settings

consent_app = typer.Typer(help="Who agreed to which use of which recordings.", no_args_is_help=True)
audit_app = typer.Typer(help="The log of what was done to rights and models.", no_args_is_help=True)

OutputFormat = Annotated[Literal["table", "json", "csv"], typer.Option("--format", help="table, json or csv")]
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
    from pipeline import landing_zone
    from pipeline.rights.audit import AuditBroken
    from pipeline.rights.consent_store import ConsentError, add, warnings

    settings = read_settings(config, workspace)
    values: dict[str, Any] = {"consent_id": consent_id, "scopes": scope, "recordings": recordings or []}
    values |= {"speaker": speaker, "subject": subject, "from": begins, "until": until}
    try:
        consent = add(settings, values, evidence)
    except (ConsentError, AuditBroken, OSError) as error:
        stop(str(error))
    say(f"consent {consent.consent_id} covers {_covers(consent)} for {', '.join(consent.scopes)}")
    if consent.evidence_sha256:
        say(f"evidence {consent.evidence}, SHA-256 {consent.evidence_sha256}")
    for warning in warnings(consent, [file.source for file in landing_zone.scan(settings.landing).files]):
        warn(warning)


@consent_app.command("list")
def consent_list(format: OutputFormat = "table", config: Config = None, workspace: WorkspaceFolder = None) -> None:
    """Every consent and whether it holds today; what is wrong in their file goes to standard error."""
    from pipeline.lake.query_result import render
    from pipeline.rights.consent_store import state
    from pipeline.rights.consents import CONSENTS_FILE, read_consents

    settings = read_settings(config, workspace)
    consents, complaints = read_consents(settings.landing / CONSENTS_FILE)
    rows = [one.row() | {"today": state(one)} for one in consents]
    if format == "table":
        rows = [_summary(one) | {"today": state(one)} for one in consents]
    render(_result(rows, ("consent_id", "today")), format)
    for complaint in complaints:
        warn(complaint)


@consent_app.command("show")
def consent_show(
    consent_id: ConsentId, format: OutputFormat = "table", config: Config = None, workspace: WorkspaceFolder = None
) -> None:
    """One consent with its evidence checked against the hash (exit code 1 if it is not what was written down)."""
    from pipeline.lake.query_result import render
    from pipeline.rights.consent_store import ConsentError, check_evidence, find, state

    settings = read_settings(config, workspace)
    try:
        consent = find(settings, consent_id)
    except ConsentError as error:
        stop(str(error))
    wrong = check_evidence(settings, consent)
    row = consent.row() | {"today": state(consent)}
    if format != "table":
        render(_result([row | {"evidence_check": wrong or "is there and has its hash"}], ()), format)
    for key, value in row.items() if format == "table" else ():
        if value not in (None, []):
            say(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    if wrong and consent.evidence:
        stop(wrong)
    if format == "table":
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
    if not dry_run:
        _prune_voices(settings)
    show_takedown(settings, plan, inventory, dry_run)


def _prune_voices(settings: Settings) -> None:
    """Delete the saved voices that rest on what was withdrawn."""
    if (settings.root / "voices").is_dir():
        from model.voices.saved import SavedVoices

        for name in SavedVoices(settings).prune():
            say(f"voice {name} is deleted: what it rested on was withdrawn")


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
    format: OutputFormat = "table",
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Print the last entries."""
    import json
    from collections import deque

    from pipeline.lake.query_result import render
    from pipeline.rights.audit import read
    from pipeline.text.printable import in_a_line

    keys = ("index", "time", "actor", "action", "subject", "details")
    entries = deque(read(read_settings(config, workspace).root), maxlen=last)
    rows = [{key: entry.get(key) for key in keys} for entry in entries]
    if format != "json":
        rows = [row | {"details": json.dumps(row["details"], ensure_ascii=False)} for row in rows]
    if format == "table":
        # An export names every recording that it holds.
        rows = [row | {"details": in_a_line(str(row["details"]))} for row in rows]
    render(_result(rows, keys), format)


def _result(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Any:
    """Rows for printing, with their own columns or, where there are none, those given; all of them text."""
    from pipeline.lake.query_result import Result

    names = tuple(rows[0]) if rows else columns
    return Result(names, ("VARCHAR",) * len(names), [tuple(row.values()) for row in rows])


def _summary(consent: Any) -> dict[str, Any]:
    days = {"from": consent.valid_from, "until": consent.valid_until}
    return {
        "consent_id": consent.consent_id,
        "subject": consent.subject or "",
        "covers": _covers(consent),
        "scopes": " ".join(consent.scopes),
    } | {name: str(day or "") for name, day in days.items()}


def _covers(consent: Any) -> str:
    parts = [*consent.recordings, *([f"speaker {consent.speaker}"] if consent.speaker else [])]
    return ", ".join(parts) or "recordings whose metadata name it"
