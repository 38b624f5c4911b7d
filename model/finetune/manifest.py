"""The JSONL that names training clips: lines to entries, and a list of what is wrong with each bad line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.voxcpm2 import text as wording
from pipeline.text import dialects

_TEXTS = ("audio", "text", "ref_audio", "dialect")
_NUMBERS = ("duration", "ref_duration")
_UNUSED = ("dataset_id", "is_prompt")


@dataclass(frozen=True)
class Problem:
    """One bad line: `reason` is a short code to count by, `message` says what to do."""

    file: Path
    line: int
    reason: str
    message: str
    subject: str = ""


class BadData(ValueError):
    """Lines that cannot be trained on, all of them; `problems` has each with its number."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(
            f"{len(problems)} bad lines; correct or drop them, or skip them (skip_bad):\n" + table(problems)
        )


@dataclass(frozen=True)
class Entry:
    """One usable line; paths are absolute. `control` goes in parentheses before `text`. Durations in s, None: not told.

    dataset_id and is_prompt of the published format are accepted and have no effect.
    """

    file: Path
    line: int
    audio: Path
    text: str
    control: str
    dialect: str
    reference: Path | None
    duration: float | None
    reference_duration: float | None


def read_manifest(path: Path) -> tuple[list[Entry], list[Problem]]:
    """Entries and problems of a JSONL file, whose relative paths start at its folder. Audio is not opened yet."""
    entries, problems = [], []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                entries.append(_entry(path, number, line))
            except _Bad as bad:
                problems.append(Problem(path, number, bad.reason, str(bad), bad.subject))
    return entries, problems


def table(problems: Iterable[Problem], most: int = 50) -> str:
    """One line a problem, the first `most` of them."""
    listed = list(problems)
    lines = [f"{each.file.name}:{each.line}  {each.reason}  {each.subject}  {each.message}" for each in listed[:most]]
    return "\n".join(lines + ([f"... and {len(listed) - most} more"] if len(listed) > most else []))


class _Bad(Exception):
    def __init__(self, reason: str, message: str, subject: str = "") -> None:
        super().__init__(message)
        self.reason, self.subject = reason, subject


def _entry(file: Path, number: int, line: str) -> Entry:
    fields = _fields(line)
    audio = _existing(file, fields, "audio")
    control, text = wording.split_control(wording.clean(fields["text"]))
    if not wording.split_control(wording.join_control(control, text))[1]:
        raise _Bad("empty_text", "there is nothing to say in `text`", audio.name)
    code = fields.get("dialect") or ""
    if code:
        control = _with_prefix(code, control, audio.name)
    reference = _existing(file, fields, "ref_audio") if fields.get("ref_audio") else None
    if reference is not None and reference.resolve() == audio.resolve():
        raise _Bad("reference_is_clip", "ref_audio is the clip itself; name another clip of the speaker", audio.name)
    return Entry(
        file, number, audio, text, control, code, reference, fields.get("duration"), fields.get("ref_duration")
    )


def _fields(line: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise _Bad("broken_json", f"is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise _Bad("broken_json", "is not a JSON object")
    for name in ("audio", "text"):
        if name not in fields:
            raise _Bad("missing_field", f"has no field `{name}`")
    unknown = [name for name in fields if name not in (*_TEXTS, *_NUMBERS, *_UNUSED)]
    if unknown:
        raise _Bad("unknown_field", f"unknown fields: {', '.join(unknown)}", str(fields["audio"]))
    broken = [name for name in _TEXTS if isinstance(fields.get(name), str) and not _is_unicode(fields[name])]
    if broken:
        raise _Bad("broken_text", f"`{broken[0]}` has half a surrogate pair; write the whole character")
    for name, kind, what in [(each, str, "a text") for each in _TEXTS] + [
        (each, (int, float), "seconds") for each in _NUMBERS
    ]:
        if fields.get(name) is not None and (not isinstance(fields[name], kind) or isinstance(fields[name], bool)):
            raise _Bad("wrong_type", f"`{name}` must be {what}, is {fields[name]!r}", str(fields["audio"]))
    for name in _NUMBERS:
        if not math.isfinite(fields.get(name) or 0):
            raise _Bad("wrong_type", f"`{name}` must be seconds, is {fields[name]!r}", str(fields["audio"]))
    if not isinstance(fields["audio"], str) or not isinstance(fields["text"], str):
        raise _Bad("wrong_type", "`audio` and `text` must be texts, not null")
    return fields


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _existing(file: Path, fields: dict[str, Any], name: str) -> Path:
    path = file.parent.absolute() / fields[name]
    if not path.is_file():
        raise _Bad("missing_audio", f"`{name}` {path} is no file", str(fields[name]))
    return path


def _with_prefix(code: str, control: str, subject: str) -> str:
    try:
        prefix = dialects.get(code).voxcpm_prefix
    except dialects.UnknownDialectError as error:
        raise _Bad("unknown_dialect", str(error), subject) from None
    parts = [] if control.startswith(prefix) else [prefix]
    return "，".join(part for part in (*parts, control) if part)
