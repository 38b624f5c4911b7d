"""`fangyan release`: frozen sets of segments; made, listed, checked, compared and handed out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli.completion import export_formats
from cli.terminal import Config, WorkspaceFolder, progress_bar, read_settings, say, stop, warn

release_app = typer.Typer(help="Frozen sets of segments, described and comparable.", no_args_is_help=True)

OutputFormat = Annotated[Literal["table", "json", "csv"], typer.Option("--format", help="table, json or csv")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="name of the release")]


@release_app.command("create")
def release_create(
    name: Name,
    where: Annotated[
        str | None, typer.Option(help="SQL condition over view segments, such as \"dialect = 'yue' AND tier = 'keep'\"")
    ] = None,
    use: Annotated[
        list[str] | None,
        typer.Option("--for", help="use that the consents must allow beside publication: asr, tts_training ..."),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="licence of the release, such as CC-BY-4.0")] = None,
    note: Annotated[str | None, typer.Option(help="a sentence about it, for the datasheet")] = None,
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Freeze the segments that the corpus keeps and the consents allow to be published, and describe them."""
    from pipeline.releases.create import USES, Wish, create
    from pipeline.releases.names import ReleaseError
    from pipeline.rights.audit import AuditBroken

    settings = read_settings(config, workspace)
    unknown = sorted(set(use or ()) - {*USES, "publication"})
    if unknown:
        stop(f"--for {unknown[0]}: choose from {', '.join(USES)}; publication is always asked for")
    wish = Wish(name, where, tuple(set(use or ()) - {"publication"}), licence, note)
    try:
        release = create(settings, wish, lambda whom: say(f"waiting for the takedown of {whom}"))
    except (ReleaseError, AuditBroken, OSError) as error:
        stop(str(error))
    _say_what_it_is(release)
    for reason, one in release.document["left_out"].items():
        say(f"left out, {reason}: {one['segments']} segments, {one['seconds']:.1f} s")
    if release.document["not_current"]:
        warn(
            f"{release.document['not_current']} recordings were made with other settings, models or corrections than "
            "those of now; `fangyan run` brings them up to date, then make another release"
        )
    say(f"{release.folder}; segments left out are in left_out.parquet, each with its reason")


@release_app.command("list")
def release_list(format: OutputFormat = "table", config: Config = None, workspace: WorkspaceFolder = None) -> None:
    """Every release, oldest first."""
    from pipeline.lake.query_result import Result, render
    from pipeline.releases.names import existing
    from pipeline.releases.release import every

    settings = read_settings(config, workspace)
    names = ("name", "created", "segments", "hours", "speakers", "taken_out", "release_sha256")
    rows = []
    found = every(settings)
    for one in found:
        figures = one.document["figures"]
        taken = sum(entry["segments"] for entry in one.document["taken_out"])
        counts = (figures["segments"], round(figures["seconds"] / 3600, 4), figures["speakers"], taken)
        rows.append((one.name, one.document["created"], *counts, one.sha256))
    render(Result(names, ("VARCHAR", "VARCHAR", "BIGINT", "DOUBLE", "BIGINT", "BIGINT", "VARCHAR"), rows), format)
    for name in sorted(set(existing(settings)) - {one.folder.name for one in found}):
        warn(f"release {name} cannot be read: restore {settings.releases / name / 'release.json'}")


@release_app.command("show")
def release_show(
    name: Name,
    as_json: Annotated[bool, typer.Option("--json", help="release.json in place of the datasheet")] = False,
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """The datasheet of a release."""
    from pipeline.releases.release import about

    release = _open(name, config, workspace)[1]
    if as_json:
        say(json.dumps(release.document, ensure_ascii=False, indent=1, sort_keys=True))
    else:
        say(about(release.document, release.rows)["DATASHEET.md"])


@release_app.command("verify")
def release_verify(name: Name, config: Config = None, workspace: WorkspaceFolder = None) -> None:
    """Check that nobody changed a release (exit code 1 if so), and say what the lake holds otherwise by now."""
    from pipeline.releases.names import ReleaseError
    from pipeline.releases.verify import verify

    settings, release = _open(name, config, workspace)
    try:
        verdict = verify(settings, release)
    except ReleaseError as error:
        stop(str(error))
    for what, count in sorted(verdict.differs.items()):
        say(f"{what}: {count} segments, such as {', '.join(verdict.examples[what][:3])}")
    for one in release.document["taken_out"]:
        say(f"taken out by takedown {one['takedown_id']} on {one['when'][:10]}: {one['segments']} segments")
    for words in verdict.broken:
        warn(words)
    if not verdict.sound:
        stop(f"release {release.name} is not as it was made")
    same = "the lake holds all of them as they were" if not verdict.differs else "the lake has moved on as listed"
    say(f"release {release.name} is sound: {verdict.segments} segments, {release.sha256}; {same}")


@release_app.command("rebuild")
def release_rebuild(
    name: Name,
    into: Annotated[
        Path, typer.Option(metavar="DIR", help="workspace to make it in; a new folder, or one begun before")
    ],
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Run every stage again over the landing folder with a release's settings, and compare it byte by byte.

    Nothing is read but the landing folder and the release. Exit code 1 if a file is another.
    """
    from pipeline.errors import ModelUnavailable
    from pipeline.releases.diff import diff
    from pipeline.releases.names import ReleaseError
    from pipeline.releases.rebuild import rebuild
    from pipeline.releases.shown import as_lines

    settings, release = _open(name, config, workspace)
    try:
        again = rebuild(settings, release, into.absolute(), say)
    except (ReleaseError, ModelUnavailable, ValueError, OSError) as error:
        stop(str(error))
    if again.same:
        say(f"release {release.name} was made again in {again.release.folder}, the same to the byte: {release.sha256}")
        say(f"delete {into}: a takedown does not reach copies outside of the workspace")
        return
    for line in as_lines(diff(release, again.release)):
        say(line)
    stop(f"other files: {', '.join(again.other_files)}; {len(again.missing)} segments could not be made again")


@release_app.command("diff")
def release_diff(
    one: Annotated[str, typer.Argument(metavar="A", help="the earlier release")],
    two: Annotated[str, typer.Argument(metavar="B", help="the later release")],
    format: Annotated[Literal["text", "json", "html"], typer.Option("--format", help="text, json or html")] = "text",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="write it to a file, replaced in one step")] = None,
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """What came, went and changed from release A to B, and why."""
    from pipeline.corrections.store import Corrections
    from pipeline.lake.files import replace_bytes
    from pipeline.releases.diff import diff
    from pipeline.releases.names import ReleaseError
    from pipeline.releases.release import open_release
    from pipeline.releases.shown import as_lines, as_page

    settings = read_settings(config, workspace)
    try:
        found = diff(open_release(settings, one), open_release(settings, two), Corrections.of(settings).rows())
    except ReleaseError as error:
        stop(str(error))
    if format == "text":
        text = "\n".join(as_lines(found))
    else:
        text = as_page(found) if format == "html" else json.dumps(found.to_json(), ensure_ascii=False, indent=1)
    if out is None:
        say(text)
        return
    try:
        replace_bytes(out, f"{text}\n".encode())
    except OSError as error:
        stop(f"{out}: cannot be written: {error.strerror or error}")
    say(str(out))


@release_app.command("export")
def release_export(
    name: Name,
    format: Annotated[
        str,
        typer.Argument(metavar="FORMAT", help="as `fangyan export --list` names them", autocompletion=export_formats),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="folder to write to; empty, or of the same export")],
    to: Annotated[str, typer.Option(metavar="NAME", help="who gets it; a takedown lists it by this name")] = "",
    sample_rate: Annotated[int | None, typer.Option(help="Hz; without it as stored")] = None,
    script: Annotated[
        Literal["as-written", "simplified", "traditional"], typer.Option(help="characters of the texts")
    ] = "as-written",
    config: Config = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Hand a release out with its text as it was; what may no longer be published, or sounds otherwise, is left out."""
    from pipeline.handover.choice import ExportError
    from pipeline.releases.export import export
    from pipeline.releases.names import ReleaseError
    from pipeline.rights.audit import AuditBroken

    settings, release = _open(name, config, workspace)
    try:
        with progress_bar("segments") as progress:
            options = {"to": to, "sample_rate": sample_rate, "script": script, "progress": progress}
            made = export(settings, release, format, out, **options)
    except (ExportError, ReleaseError, AuditBroken) as error:
        stop(str(error))
    for reason, count in made.left_out.most_common():
        warn(f"left out {count} segments: {reason}")
    done = made.handover
    say(f"{done.clips} segments of release {release.name}, {done.seconds / 3600:.2f} h, in {done.out}")
    say(f"{done.manifest} has hashes and consents; the audit log knows it as {done.handover_id}")


def _open(name: str, config: Path | None, workspace: Path | None) -> tuple[Any, Any]:
    from pipeline.releases.names import ReleaseError
    from pipeline.releases.release import open_release

    settings = read_settings(config, workspace)
    try:
        return settings, open_release(settings, name)
    except ReleaseError as error:
        stop(str(error))


def _say_what_it_is(release: Any) -> None:
    figures = release.document["figures"]
    counts = f"{figures['segments']} segments, {figures['seconds'] / 3600:.4f} h, {figures['speakers']} speakers"
    say(f"release {release.name}: {counts}")
    say(f"hash of the whole: {release.sha256}")
