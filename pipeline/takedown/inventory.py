"""The inventory of a takedown: the workspace is walked once, every file of it is examined once.

Showing, removing and checking work on this list. What can be built again (caches, pages with players) goes whole; files
on their own go by the id in their name or by their bytes, so nothing depends on who exported them.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lake.files import replace_bytes
from pipeline.rights import audit
from pipeline.settings import Settings
from pipeline.takedown import landed
from pipeline.takedown.extents import Withdrawal
from pipeline.takedown.journal import FOLDER as JOURNALS
from pipeline.takedown.models import cards, model_id
from pipeline.takedown.plan import Plan
from pipeline.takedown.rows import Clip, clean

SOUND = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".webm", ".mka"}
_REBUILT = ("cache",)
_NOT_OURS = ("dagster", "batches", JOURNALS)
What = Literal["landed file", "metadata, cut", "rows", "lines", "part file", "file", "folder", "unreadable"]


@dataclass(frozen=True)
class Removal:
    """Something withdrawn at one place: `count` rows, lines or files with so many `seconds` of audio."""

    what: What
    path: Path
    place: str
    count: int = 1
    seconds: float = 0.0


@dataclass
class Inventory:
    """What is withdrawn and where it lies; and what can be counted only while it is there."""

    removals: list[Removal] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    """Landed files under a withdrawn name that hold another recording by now; they stay."""
    rows: Counter[str] = field(default_factory=Counter)
    """Rows that go, by recording or tainted model."""
    clips: set[Clip] = field(default_factory=set)


def take_inventory(settings: Settings, plan: Plan) -> Inventory:
    """Everything below the workspace that the plan takes. Only reads."""
    examiner = Examiner(settings, plan)
    inventory = Inventory()
    for extent in plan.extents:
        ours, others = landed.landed(settings, extent)
        inventory.removals += [Removal("landed file", file, place(settings, file)) for file in ours]
        inventory.others += others
    inventory.removals += [
        Removal("metadata, cut", file, place(settings, file))
        for file in landed.metadata_without(settings.landing, examiner.gone_sources(inventory.others), apply=False)
    ]
    inventory.removals += examiner.folders()
    files = [file for file in _walk(settings) if not any(file.is_relative_to(one.path) for one in inventory.removals)]
    # Tables first: only then is it known which other files have the bytes of a withdrawn clip.
    found = [(file, examiner.of_table(file, inventory)) for file in files]
    inventory.clips |= set(plan.clips)
    for file, removal in found:
        removal = removal or examiner.of_file(file, inventory.clips)
        if removal is not None:
            inventory.removals.append(removal)
    return inventory


def still_there(settings: Settings, plan: Plan, inventory: Inventory, rebuilt: list[Path]) -> list[Removal]:
    """Of the places that were cleaned, and the tables that were `rebuilt` since, those that hold something withdrawn.

    They are read again because removing may have failed half-way without an error; no other place has changed.
    """
    examiner = Examiner(settings, plan)
    left = [
        Removal("landed file", file, place(settings, file))
        for extent in plan.extents
        for file in landed.landed(settings, extent)[0]
    ]
    left += examiner.folders()
    paths = {one.path for one in inventory.removals if one.what not in ("landed file", "metadata, cut")}
    for file in sorted(paths | set(rebuilt)):
        if file.is_file() and not any(file.is_relative_to(one.path) for one in left):
            removal = examiner.of_table(file, Inventory()) or examiner.of_file(file, inventory.clips)
            left += [removal] if removal else []
    return left


@dataclass
class Examiner:
    """Says of one file or folder at a time what of it is withdrawn."""

    settings: Settings
    plan: Plan

    @cached_property
    def withdrawal(self) -> Withdrawal:
        return self.plan.withdrawal

    @cached_property
    def _models(self) -> list[Path]:
        return [
            folder.resolve() for folder, card in cards(self.settings) if model_id(folder, card) in self.plan.tainted
        ]

    def gone_sources(self, others: list[Path]) -> set[str]:
        """Sources that are withdrawn, but for names that another recording has by now."""
        sources = {source for one in self.plan.extents for source in one.sources}
        return {source for source in sources if self.settings.landing / source not in others}

    def folders(self) -> list[Removal]:
        """Folders that go whole: caches, and trainings that were killed."""
        names = [*self.plan.unfinished, *_REBUILT]
        folders = [folder for name in names if (folder := self.settings.root / name).is_dir()]
        return [Removal("folder", folder, place(self.settings, folder)) for folder in folders]

    def of_table(self, file: Path, inventory: Inventory) -> Removal | None:
        """What goes of a table, a part file or a file of lines; its clips and rows are noted in the inventory."""
        if file.suffix == ".parquet" and not file.name.startswith("."):
            if file.is_relative_to(self._lake / ".parts"):
                return self._removal("part file", file) if self._is_part(file) else None
            return self._of_rows(file, inventory)
        if file.suffix == ".jsonl" and file.name != audit.LOG and self.withdrawal.extents:
            lines = lines_without(file, self.withdrawal, apply=False)
            return self._removal("lines", file, lines) if lines else None
        return None

    def of_file(self, file: Path, clips: set[Clip]) -> Removal | None:
        """What goes of a file that is no table: all of it or nothing."""
        named = file.suffix not in (".parquet", ".jsonl") and self.withdrawal.in_text(file.name)
        unfinished = file.name.startswith(".") and file.suffix == ".tmp"
        sampled = file.suffix.lower() in SOUND and any(file.is_relative_to(folder) for folder in self._models)
        if named or unfinished or sampled or file.suffix == ".html" or _is_clip(file, clips):
            return self._removal("file", file)
        return None

    def table_name(self, file: Path) -> str:
        """The table that a file of the lake belongs to, "" outside of the lake."""
        return file.parent.name if file.parent.parent == self._lake else ""

    @cached_property
    def _lake(self) -> Path:
        return self.settings.lake.resolve()

    def _of_rows(self, file: Path, inventory: Inventory) -> Removal | None:
        try:
            removed = clean(file, self.table_name(file), self.withdrawal, apply=False)
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            # Arrow reports damaged pages by an OSError without a number. Nobody can tell what is in them; the rest
            # goes all the same, and the takedown waits for this file.
            return self._removal("unreadable", file)
        inventory.rows.update(removed.by_recording)
        inventory.clips.update(removed.clips)
        return self._removal("rows", file, removed.rows, removed.seconds) if removed.changed else None

    def _is_part(self, file: Path) -> bool:
        """Whether a part file of a running batch is of a recording that is withdrawn, be it in part.

        One that cannot be read counts too: nobody can tell what is in it, and its stage makes it again.
        """
        try:
            with pq.ParquetFile(file) as part:
                source = (part.schema_arrow.metadata or {}).get(b"source", b"").decode("utf-8", "replace")
                names = [name for name in part.schema_arrow.names if name == "recording_id"]
                ids = part.read(names)["recording_id"].to_pylist() if names else []
        except (pa.ArrowException, OSError):
            return True
        sources = {source for one in self.plan.extents for source in one.sources}
        return source in sources or any(name in self.withdrawal.extents for name in ids)

    def _removal(self, what: What, file: Path, count: int = 1, seconds: float = 0.0) -> Removal:
        return Removal(what, file, place(self.settings, file), count, seconds)


def lines_without(file: Path, withdrawal: Withdrawal, apply: bool) -> int:
    """Lines of a JSON Lines file that name something withdrawn, which it loses."""
    lines = file.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not withdrawal.in_text(line.decode("utf-8", "replace"))]
    if apply and len(kept) < len(lines):
        replace_bytes(file, b"".join(kept))
    return len(lines) - len(kept)


def place(settings: Settings, file: Path) -> str:
    """The path below the workspace as it is shown, absolute outside of it."""
    for root in (settings.root, settings.root.resolve()):
        if file.is_relative_to(root):
            return file.relative_to(root).as_posix()
    return str(file)


def _walk(settings: Settings) -> Iterator[Path]:
    """Files of workspace and lake; not landing, caches, Dagster's storage, manifests and journals."""
    landing, lake = settings.landing.resolve(), settings.lake.resolve()
    roots = [settings.root.resolve()]
    roots += [] if lake.is_relative_to(roots[0]) else [lake]
    for root in roots:
        for folder, folders, names in os.walk(root):
            here = Path(folder)
            skipped = {*_NOT_OURS, *_REBUILT} if here == root else set()
            folders[:] = sorted(name for name in folders if name not in skipped and here / name != landing)
            yield from (here / name for name in sorted(names))


def _is_clip(file: Path, clips: set[Clip]) -> bool:
    try:
        size = file.stat().st_size
        if not any(size == length for length, _ in clips):
            return False
        with file.open("rb") as content:
            return (size, hashlib.file_digest(content, "sha256").hexdigest()) in clips
    except FileNotFoundError:
        return False
