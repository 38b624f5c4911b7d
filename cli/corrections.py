"""`fangyan corrections`: what people said of the corpus, listed, handed to other tools and read back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.terminal import Config, WorkspaceFolder, read_settings, say, stop, warn

if TYPE_CHECKING:
    from pipeline.corrections.importing import Imported
    from pipeline.settings import Settings

corrections_app = typer.Typer(help="What people corrected: list it, hand it out, read it back.", no_args_is_help=True)
_SHOWN = 20
_ANNOTATED = (".eaf", ".textgrid", ".json")


@corrections_app.command("list")
def corrections_list(
    recording: Annotated[str, typer.Option(metavar="ID", help="of one recording only")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="also what was replaced or taken back, and the rows that take back")
    ] = False,
    format: Annotated[Literal["table", "json", "csv"], typer.Option(help="table, json or csv")] = "table",
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Print the corrections that stand, in order of time."""
    from pipeline.corrections.store import Corrections
    from pipeline.lake.query_result import Result, render

    store = Corrections.of(read_settings(config, workspace))
    rows = store.of_recording(recording) if recording else store.rows()
    if not everything:
        standing = store.standing_of({row.recording_id for row in rows})
        ids = {one.correction_id for own in standing.values() for one in own}
        rows = [row for row in rows if row.correction_id in ids]
    names = ("at", "who", "recording_id", "start", "end", "field", "old", "new", "why", "correction_id")
    names += ("takes_back",) if everything else ()
    values: list[tuple[Any, ...]] = [tuple(row.to_row()[name] for name in names) for row in rows]
    values = [(row[0].isoformat(timespec="seconds"), *row[1:]) for row in values]
    render(Result(names, ("VARCHAR",) * len(names), values), format)


@corrections_app.command("export")
def corrections_export(
    format: Annotated[
        Literal["csv", "jsonl", "eaf", "textgrid", "label-studio"],
        typer.Argument(help="csv, jsonl: the corrections; eaf, textgrid, label-studio: segments to be corrected"),
    ],
    out: Annotated[Path, typer.Option(help="file; for eaf and textgrid a folder, a file a recording")],
    where: Annotated[
        str, typer.Option(metavar="SQL", help="condition over the view segments; without it all that is kept")
    ] = "",
    audio: Annotated[
        str, typer.Option(metavar="ADDRESS", help="where Label Studio finds the sound; {source}, {recording_id}")
    ] = "/data/local-files/?d={source}",
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Write the corrections as a sheet, or segments as annotations that ELAN, Praat or Label Studio edits."""
    from datetime import UTC, datetime

    from pipeline.corrections import annotation_files, label_studio, sheets
    from pipeline.corrections.segment_rows import KEPT, durations, segments_now
    from pipeline.corrections.store import Corrections
    from pipeline.lake.lake import Lake
    from pipeline.lake.query_result import CatalogError

    settings = read_settings(config, workspace)
    if format in ("csv", "jsonl"):
        if where:
            stop("--where chooses segments; a sheet of corrections has all of them")
        rows = Corrections.of(settings).rows()
        (sheets.write_csv if format == "csv" else sheets.write_jsonl)(rows, out)
        say(f"{out}: {len(rows)} corrections")
        return
    # Before the segments are read: a correction that comes in between was not seen.
    now, lake = datetime.now(UTC), Lake(settings.lake)
    try:
        segments = list(segments_now(lake, where or KEPT).values())
    except CatalogError as error:
        stop(f"--where {where!r}: {error}")
    if not segments:
        stop("no segment is chosen, so nothing is written; look at --where")
    recordings = len({row["recording_id"] for row in segments})
    if format == "label-studio":
        label_studio.write_tasks(segments, out, audio, now)
        interface = out.with_suffix(".xml")
        interface.write_text(label_studio.CONFIGURATION, encoding="utf-8")
        say(f"{out}: {recordings} tasks with {len(segments)} segments; {interface} is the labelling interface")
        return
    files = annotation_files.write_annotations(segments, out, format, now, durations(lake))
    say(f"{out}: {len(files)} files with {len(segments)} segments")


@corrections_app.command("import")
def corrections_import(
    files: Annotated[list[Path], typer.Argument(help=".eaf, .TextGrid, Label Studio's .json, .csv or .jsonl")],
    who: Annotated[str, typer.Option(metavar="NAME", help="who corrected; needed where the file does not say it")] = "",
    why: Annotated[str, typer.Option(help="why, for all of them")] = "",
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="drop kept segments that have no annotation in their file any more")
    ] = False,
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Add what was corrected in files; `fangyan run` lets it flow on. Exit code 1 if anything was not added."""
    settings = read_settings(config, workspace)
    refused = 0
    for file in files:
        done = _import(settings, file, who, why or None, drop_missing)
        counted = ", ".join(f"{count} {name}" for name, count in sorted(done.added.items())) or "nothing new"
        say(f"{file}: {counted}")
        for words in done.refused[:_SHOWN]:
            warn(words)
        refused += len(done.refused)
    if refused:
        stop(f"{refused} were not added; correct them again on what is there now")


def _import(settings: Settings, file: Path, who: str, why: str | None, drop_missing: bool) -> Imported:
    """Add one file's corrections and log it, or end the command with what is wrong in the file."""
    from pipeline.corrections import annotation_files, importing, label_studio, sheets
    from pipeline.corrections.correction import CorrectionFlawed
    from pipeline.corrections.edited import Proposal, missing, proposals
    from pipeline.corrections.segment_rows import segments_now
    from pipeline.corrections.store import Corrections
    from pipeline.exchange.given import TranscriptError
    from pipeline.lake.lake import Lake
    from pipeline.lake.query_result import CatalogError
    from pipeline.rights import audit

    store, kind = Corrections.of(settings), file.suffix.lower()
    if kind not in (*_ANNOTATED, ".csv", ".jsonl"):
        stop(f"{file} is none of .eaf, .TextGrid, .json (Label Studio), .csv and .jsonl")
    if kind in _ANNOTATED and not who:
        stop(f"{file} does not say who corrected; give --who NAME")
    try:
        if kind in _ANNOTATED:
            edited = list(
                label_studio.read_tasks(file.read_bytes())
                if kind == ".json"
                else annotation_files.read_annotations(file, settings.given_text)
            )
            segments = segments_now(Lake(settings.lake))
            known = {row["recording_id"] for row in segments.values()}
            if strange := sorted({one.recording_id for one in edited} - known):
                stop(f"{file} is about {', '.join(strange)}, of which this workspace has no segments")
            standing = store.standing_of({one.recording_id for one in edited})
            found = proposals(edited, segments, standing, who, why)
            if drop_missing:
                gone = missing(edited, segments.values(), who, why)
                until = {one.recording_id: one.label.at for one in edited if one.label}
                found += [Proposal((row,), until.get(name)) for name, rows in gone.items() for row in rows]
            done = importing.add_proposals(store, found)
        else:
            done = importing.add_rows(store, sheets.read(file, who))
        audit.append(settings.root, "corrections.import", file.name, {"who": who, "added": dict(done.added)})
    except (OSError, TranscriptError, label_studio.LabelStudioError, CorrectionFlawed, CatalogError) as error:
        stop(f"{file}: {error}")
    except (sheets.SheetError, audit.AuditBroken) as error:
        stop(str(error))
    return done
