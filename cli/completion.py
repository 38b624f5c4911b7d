"""What a shell offers for the values of options that have a known set."""

from __future__ import annotations

from typing import Annotated

import typer


def dialect_codes(incomplete: str) -> list[str]:
    """Codes of dialects that begin as typed."""
    from contextlib import suppress

    from pipeline.settings import SettingsError, load_settings
    from pipeline.text import dialects

    with suppress(SettingsError):
        load_settings()
    return [code for code in dialects.REGISTRY if code.startswith(incomplete)]


def formats(incomplete: str) -> list[str]:
    """Formats of a query's answer that begin as typed."""
    from pipeline.lake.query_result import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


TableFormat = Annotated[
    str, typer.Option(autocompletion=formats, help="table, json or csv (texts that begin with = + - @ get a ')")
]
"""How a command prints rows."""


def questions(incomplete: str) -> list[str]:
    """Questions of `fangyan ask` that begin as typed."""
    from pipeline.lake.asking import QUESTIONS

    return [name for one in QUESTIONS if (name := one.replace("_", "-")).startswith(incomplete)]


def export_formats(incomplete: str) -> list[str]:
    """Formats of export that begin as typed."""
    from pipeline.exchange.exports import EXPORTS

    return [name for name in EXPORTS if name.startswith(incomplete)]


Dialect = Annotated[
    str,
    typer.Option(metavar="CODE", help="code of a dialect, such as yue or cmn-tianjin", autocompletion=dialect_codes),
]
