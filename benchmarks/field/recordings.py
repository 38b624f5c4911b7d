"""A labelled folder: recordings with dialect, text and speaker from index.csv or metadata.csv, turns from RTTM files.

Nothing is written here. How a label becomes a dialect is in `code_of`.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.text import dialects

TABLES = ("index.csv", "metadata.csv")
NO_SPEECH = ("noise", "music", "silence", "rir")
"""A label that ends in one of these, `x-noise` for instance, holds no speech: all text written of it is made up."""

_OTHER = "cmn"
_FILE, _TEXT = ("file", "file_name"), ("text", "transcript")


class BadFolder(Exception):
    """The folder cannot be measured; the message says what is missing and where."""


@dataclass(frozen=True)
class SpokenTurn:
    """Who speaks from `start` to `end`, seconds of the recording."""

    start: float
    end: float
    speaker: str


@dataclass(frozen=True)
class LabelledRecording:
    """One file. `label` is what it is reported under, `code` the dialect that it is recognised as.

    `text` is "" where it is not known, `turns` are None where no RTTM file names the recording.
    """

    path: Path
    name: str
    label: str
    code: str
    text: str
    speaker: str
    turns: tuple[SpokenTurn, ...] | None = field(default=None)

    @property
    def holds_speech(self) -> bool:
        return not self.label.endswith(NO_SPEECH)


def read_folder(folder: Path, codes: Mapping[str, str]) -> list[LabelledRecording]:
    """All recordings that the tables in `folder` and below name, in order; `codes` says what labels are landed as.

    Raises BadFolder where there is no table, or one names no file, or a file is not there.
    """
    tables = sorted(file for name in TABLES for file in folder.rglob(name))
    if not tables:
        raise BadFolder(f"{folder}: holds no {' or '.join(TABLES)} with the columns file, dialect, text")
    turns = read_turns(folder)
    found: dict[str, LabelledRecording] = {}
    for table in tables:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            for number, row in enumerate(csv.DictReader(lines), start=2):
                one = _recording(folder, table, number, row, codes, turns)
                found.setdefault(one.name, one)
    return [found[name] for name in sorted(found)]


def chosen(
    recordings: Sequence[LabelledRecording], labels: Sequence[str], limit: int | None
) -> list[LabelledRecording]:
    """Those of `labels` (all where none is given), at most `limit` of each. Raises BadFolder for an unknown label."""
    known = {one.label for one in recordings}
    if unknown := sorted(set(labels) - known):
        raise BadFolder(f"nothing is labelled {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    taken: dict[str, int] = defaultdict(int)
    kept = []
    for one in recordings:
        if (not labels or one.label in labels) and (limit is None or taken[one.label] < limit):
            taken[one.label] += 1
            kept.append(one)
    return kept


def code_of(label: str, codes: Mapping[str, str]) -> str:
    """The dialect that a label is recognised as: what `codes` says, the label itself or its beginning if that is a
    dialect (`en-ami` is en), else Mandarin (`x-nanjing`, `x-noise`)."""
    if label in codes:
        return dialects.get(codes[label]).code
    parts = label.removeprefix("x-").split("-")
    for count in range(len(parts), 0, -1):
        try:
            return dialects.get("-".join(parts[:count])).code
        except dialects.UnknownDialectError:
            continue
    return _OTHER


def read_turns(folder: Path) -> dict[str, list[SpokenTurn]]:
    """{recording as the RTTM names it: turns} of every .rttm file below `folder`."""
    found: dict[str, list[SpokenTurn]] = defaultdict(list)
    for file in sorted(folder.rglob("*.rttm")):
        for line in file.read_text(encoding="utf-8").splitlines():
            parts = line.split()
            if len(parts) >= 8 and parts[0] == "SPEAKER":
                start = float(parts[3])
                found[parts[1]].append(SpokenTurn(start, start + float(parts[4]), parts[7]))
    return found


def _recording(
    folder: Path,
    table: Path,
    number: int,
    row: Mapping[str, str],
    codes: Mapping[str, str],
    turns: Mapping[str, Sequence[SpokenTurn]],
) -> LabelledRecording:
    name = next((row[column] for column in _FILE if row.get(column)), "")
    if not name:
        raise BadFolder(f"{table}, line {number}: no column {' or '.join(_FILE)} names a file")
    path = table.parent / name
    if not path.is_file():
        raise BadFolder(f"{table}, line {number}: {path} does not exist")
    below = path.relative_to(folder)
    label = row.get("dialect") or below.parts[0]
    text = next((row[column] for column in _TEXT if row.get(column)), "")
    named = [who for who in turns if path.stem == who or path.stem.endswith(f"_{who}")]
    own = tuple(turns[max(named, key=len)]) if named else None
    return LabelledRecording(path, below.as_posix(), label, code_of(label, codes), text, row.get("speaker") or "", own)
