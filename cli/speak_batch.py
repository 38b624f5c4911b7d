"""`fangyan speak --batch`: many texts of a JSONL or TSV file, spoken side by side, a labelled file each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model.voxcpm2 import Request, Result, VoxCPM2

_FIELDS = ("text", "dialect", "control", "seed", "steps", "guidance")
_SUFFIXES = (".jsonl", ".tsv")


class BadBatch(ValueError):
    """A line of the file cannot be spoken; the message says which and why."""


def read_batch(file: Path, common: Request) -> list[tuple[str, Request]]:
    """Names and requests: JSON objects with `text` and perhaps id, dialect, control, seed, steps, guidance; or lines
    of a name, a tab and a text. What a line does not say is as in `common`. Raises BadBatch, OSError.
    """
    if file.suffix.lower() not in _SUFFIXES:
        raise BadBatch(f"{file}: give a .jsonl or a .tsv")
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    found: dict[str, Request] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            name, request = _tabbed(line, common) if file.suffix.lower() == ".tsv" else _object(line, common)
        except (ValueError, TypeError) as error:
            raise BadBatch(f"{file}, line {number}: {error}") from None
        name = name or f"{number:05}"
        if name in found or Path(name).name != name or name.startswith("."):
            raise BadBatch(f"{file}, line {number}: {name!r} is no name for a file, or stands there twice")
        found[name] = request
    if not found:
        raise BadBatch(f"{file}: holds no text")
    return list(found.items())


def speak_batch(
    model: VoxCPM2, batch: list[tuple[str, Request]], rows: int, write: Callable[[str, Result], None]
) -> Iterator[str]:
    """Speak all, `rows` side by side; `write` is given each result as it ends. Yields what could not be spoken."""
    from model.voxcpm2.engine import Engine

    engine = Engine(model, rows, waiting=len(batch))
    names = {}
    for name, request in batch:
        try:
            handle = engine.add(request, streamed=False)
            names[id(handle)] = name, handle
        except (ValueError, KeyError) as error:
            yield f"{name}: {error}"
    while not engine.idle:
        for handle in engine.step():
            if not handle.ended:
                continue
            name, _ = names.pop(id(handle))
            if handle.result is None:
                yield f"{name}: {handle.failure}"
            else:
                write(name, handle.result)


def _object(line: str, common: Request) -> tuple[str, Request]:
    held: Any = json.loads(line)
    if not isinstance(held, dict) or not isinstance(held.get("text"), str):
        raise ValueError('is no object with a "text"')
    unknown = sorted(held.keys() - {*_FIELDS, "id"})
    if unknown:
        raise ValueError(f"unknown key {unknown[0]}; there are id, {', '.join(_FIELDS)}")
    return str(held.get("id", "")), replace(common, **{key: held[key] for key in _FIELDS if key in held})


def _tabbed(line: str, common: Request) -> tuple[str, Request]:
    name, tab, text = line.partition("\t")
    if not tab:
        raise ValueError("has no tab: name, tab, text")
    return name.strip(), replace(common, text=text)
