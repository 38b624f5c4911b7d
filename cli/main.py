"""The command `fangyan`: its commands, one file a group, listed in the order of the work."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli import (
    ask,
    calibrate,
    corrections,
    desk,
    doctor,
    evaluation,
    export,
    finetune,
    import_list,
    init,
    labels,
    quality,
    release,
    rights,
    running,
    serve,
    speaking,
    sql,
    status,
    studio,
    ui,
    voices,
)
from cli.terminal import say

_ORDER = (
    *("init", "doctor", "calibrate", "run", "status", "ui", "desk", "ask", "sql"),
    *("corrections", "quality", "export", "import", "release"),
    *("voice", "speak", "serve", "finetune", "label", "prompts", "systems", "listen"),
    *("consent", "takedown", "audit"),
    *("demo", "studio"),
)
_CORPUS, _VOICE, _RIGHTS, _TRY = "Corpus", "Voice", "Rights", "Synthesized speech to try it with"


class _InOrder(TyperGroup):
    """Lists commands in the order in which a person needs them."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands, key=_ORDER.index)


app = typer.Typer(
    cls=_InOrder,
    help="Dialect recordings to a speech corpus, and a dialect's voice.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("init", rich_help_panel=_CORPUS)(init.init)
app.command("doctor", rich_help_panel=_CORPUS)(doctor.doctor)
app.command("calibrate", rich_help_panel=_CORPUS)(calibrate.calibrate)
app.command("run", rich_help_panel=_CORPUS)(running.run)
app.command("status", rich_help_panel=_CORPUS)(status.status)
app.command("ui", rich_help_panel=_CORPUS)(ui.ui)
app.add_typer(desk.desk_app, name="desk", rich_help_panel=_CORPUS)
app.command("ask", rich_help_panel=_CORPUS)(ask.ask)
app.add_typer(corrections.corrections_app, name="corrections", rich_help_panel=_CORPUS)
app.command("sql", rich_help_panel=_CORPUS)(sql.sql)
app.command("quality", rich_help_panel=_CORPUS)(quality.quality)
app.command("export", rich_help_panel=_CORPUS)(export.export)
app.command("import", rich_help_panel=_CORPUS)(import_list.import_list)
app.add_typer(release.release_app, name="release", rich_help_panel=_CORPUS)
app.add_typer(voices.voice_app, name="voice", rich_help_panel=_VOICE)
app.command("speak", rich_help_panel=_VOICE)(speaking.speak)
app.add_typer(serve.serve_app, name="serve", rich_help_panel=_VOICE)
app.command("finetune", rich_help_panel=_VOICE)(finetune.finetune)
app.add_typer(labels.label_app, name="label", rich_help_panel=_VOICE)
app.add_typer(evaluation.prompts_app, name="prompts", rich_help_panel=_VOICE)
app.add_typer(evaluation.systems_app, name="systems", rich_help_panel=_VOICE)
app.add_typer(evaluation.listen_app, name="listen", rich_help_panel=_VOICE)
app.add_typer(rights.consent_app, name="consent", rich_help_panel=_RIGHTS)
app.command("takedown", rich_help_panel=_RIGHTS)(rights.takedown)
app.add_typer(rights.audit_app, name="audit", rich_help_panel=_RIGHTS)
app.command("demo", rich_help_panel=_TRY)(studio.demo)
app.add_typer(studio.studio_app, name="studio", rich_help_panel=_TRY)


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"fangyan {importlib.metadata.version('fangyan')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="print the version and end")
    ] = False,
) -> None:
    """Dialect recordings to a speech corpus, and a dialect's voice."""


if __name__ == "__main__":
    app()
