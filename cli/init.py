"""`fangyan init`: a new workspace with the files that a person edits, each commented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from cli.terminal import say, stop

_KEY = re.compile(r"^(?=[a-z_]+ = )", re.MULTILINE)
_SETTINGS = """\
# Fangyan's configuration for this workspace. Commands that run in this folder, or with --workspace, read it.
# A key with a # before it has the value that is shown: remove the # to change it. An unknown key is an error.
# An environment variable overrides a key: FANGYAN_TRANSCRIBE__BEAM_SIZE=1.
# A relative path or checkpoint is looked for in this folder first, then among the files that come with Fangyan.

workspace = "."                      # landing/, lake/, catalog.duckdb and Dagster's storage lie beside this file
"""
_CONSENTS = """\
# An example, which is not read: consents lie in landing/consents.jsonl, one JSON object a line, without comments.
# `fangyan consent add` writes them. A recording that no consent covers goes no further than its row in `recordings`.
# recordings: patterns of paths below landing/; ** spans folders. scopes: asr, tts_training, voice_cloning, commercial,
# publication. from and until: first and last day. evidence: a file below landing/ that proves it, with its SHA-256.
{"consent_id": "c-001", "subject": "Reader 7", "recordings": ["cmn-tianjin/market/**"], "scopes": ["asr"], \
"from": "2026-01-01", "until": "2028-12-31"}
"""
_DAGSTER = """\
# Dagster's instance for this workspace; dagster/dagster.yaml is a link to it.
"""
_LOCATION = """\
# The code location, for Dagster's own commands in this folder. After the first `fangyan run` they find its
# runs: DAGSTER_HOME=$PWD/dagster dagster dev
"""


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="folder to make or to complete")] = Path(),
    production: Annotated[bool, typer.Option("--production", help="name checkpoints for real voices")] = False,
) -> None:
    """Make a workspace: configuration, Dagster's files, an example consent, a landing folder. Overwrites nothing."""
    try:
        made = create_workspace(folder, production)
    except OSError as error:
        stop(f"{error.filename or folder}: cannot be written: {error.strerror}; choose another folder")
    for path in made:
        say(f"made {path}")
    where = "" if folder.resolve() == Path.cwd() else f" --workspace {folder}"
    say(f"Next: put recordings into {folder / 'landing'}/<dialect>/<collection>/, then")
    say(f"  fangyan consent add c-001 --recordings '<dialect>/<collection>/**' --scope asr{where}")
    say(f"  fangyan doctor{where}")
    say(f"  fangyan run{where}")


def create_workspace(folder: Path, production: bool = False) -> list[Path]:
    """Write what is missing of a workspace into `folder`; returns the paths made. Raises OSError.

    `production` configures checkpoints for real voices, which are downloaded, instead of the embedded ones.
    """
    landing = folder / "landing"
    made = [] if landing.is_dir() else [landing]
    landing.mkdir(parents=True, exist_ok=True)
    for name, text in _files(production).items():
        path = folder / name
        if not path.exists():
            path.write_text(text, encoding="utf-8")
            made.append(path)
    return made


def _files(production: bool) -> dict[str, str]:
    """The text of each file by its name."""
    from pipeline.project import PROJECT

    settings = (PROJECT / ("fangyan.production.toml" if production else "fangyan.toml")).read_text(encoding="utf-8")
    sections = settings[settings.index("\n[") :]
    return {
        "fangyan.toml": _SETTINGS + (sections if production else _KEY.sub("# ", sections)),
        "dagster.yaml": _DAGSTER + (PROJECT / "dagster.yaml").read_text(encoding="utf-8"),
        "workspace.yaml": _LOCATION + (PROJECT / "workspace.yaml").read_text(encoding="utf-8"),
        "consents.example.jsonl": _CONSENTS,
    }
