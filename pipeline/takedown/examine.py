"""Examines a workspace for a takedown: first tables, by ids; then every other file, by name, words and sound.

What can be built again (caches, pages with players) goes whole. Nothing depends on who exported a file.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lake.lake import parts_note
from pipeline.lake.storage import readable
from pipeline.landing_zone import METADATA_FILES
from pipeline.settings import Settings
from pipeline.takedown import landed
from pipeline.takedown.content.collect import LEAST_STEM, add_stored_sound
from pipeline.takedown.content.kinds import HEAD, kind_of
from pipeline.takedown.content.outcome import Unsearchable
from pipeline.takedown.content.search import Searcher
from pipeline.takedown.content.terms import Terms
from pipeline.takedown.inventory import Inventory, Removal, What, landed_removals, place, with_progress
from pipeline.takedown.models import cards, model_id
from pipeline.takedown.plan import Plan
from pipeline.takedown.rows import clean, has_ids
from pipeline.takedown.walk import REBUILT, REBUILT_CORPUS, SOUND, Exempt, is_lake_table, walk


def take_inventory(
    settings: Settings, plan: Plan, terms: Terms, say: Callable[[str], None] = lambda words: None
) -> Inventory:
    """Everything below the workspace that the plan takes. Only reads; notes withdrawn sound in the terms."""
    inventory = Inventory(short_texts=len(terms.short))
    inventory.removals, inventory.others = landed_removals(settings, plan.extents)
    examiner = Examiner(settings, plan, terms, inventory)
    inventory.removals += examiner.folders()
    links: list[Path] = []
    gone = {one.path.resolve() for one in inventory.removals}
    files = [file for file in walk(settings, links) if not gone.intersection((file, *file.parents))]
    tables, rest = [], []
    for file in files:
        if is_table := examiner.is_table(file):
            tables.append(file)
        if not is_table or not examiner.is_of_lake(file):
            rest.append(file)
    # Tables first: only then is it known what other files may hold copies of.
    for file in with_progress(tables, say):
        inventory.removals += examiner.of_table(file)
    inventory.clips |= set(plan.clips)
    for file in with_progress(rest, say):
        inventory.removals += examiner.of_file(file)
    for link in links:
        inventory.unsearchable[place(settings, link)] = "is a link to a folder outside of the workspace"
    return inventory


def still_there(settings: Settings, plan: Plan, terms: Terms, done: Inventory, rebuilt: list[Path]) -> list[Removal]:
    """Of the places that were cleaned, and the tables that were `rebuilt` since, those that hold something withdrawn.

    They are read again because removing may have failed half-way without an error; no other place has changed.
    """
    now = Inventory(clips=done.clips)
    examiner = Examiner(settings, plan, terms, now)
    folders = [one for one in examiner.folders() if not _made_since(one.path)]
    left = [*landed_removals(settings, plan.extents)[0], *folders]
    paths = {one.path for one in done.removals if one.what not in ("landed file", "folder")}
    for file in sorted(paths | set(rebuilt)):
        if file.is_file():
            is_table = examiner.is_table(file)
            left += examiner.of_table(file) if is_table else []
            left += [] if is_table and examiner.is_of_lake(file) else examiner.of_file(file)
    return left


def _made_since(folder: Path) -> bool:
    """Whether it is a cache that was removed, and that the rebuilt corpus has made again from the cleaned tables."""
    return folder.name in REBUILT and {one.name for one in folder.iterdir()} <= {REBUILT_CORPUS}


class Examiner:
    """Says of one file or folder at a time what of it is withdrawn; what it cannot tell it notes in the inventory."""

    def __init__(self, settings: Settings, plan: Plan, terms: Terms, inventory: Inventory) -> None:
        self.settings = settings
        self.searcher = Searcher(terms, inventory.clips)
        self.withdrawal = plan.withdrawal
        self._plan = plan
        self._terms = terms
        self._inventory = inventory
        self._root, self._landing = settings.root.resolve(), settings.landing.resolve()
        self._parts = settings.lake.resolve() / ".parts"
        self._exempt = Exempt(settings)
        self._models = [folder.resolve() for folder, card in cards(settings) if model_id(folder, card) in plan.tainted]

    def folders(self) -> list[Removal]:
        """Folders that go whole: caches, and trainings that were killed."""
        names = [*self._plan.unfinished, *REBUILT]
        folders = [folder for name in names if (folder := self.settings.root / name).is_dir()]
        return [Removal("folder", folder, place(self.settings, folder)) for folder in folders]

    def is_table(self, file: Path) -> bool:
        """Whether it goes by ids: tables of the lake, part files, and Parquet files with columns of ids."""
        if file.name.startswith("."):
            return False
        if file.suffix == ".parquet" and self.is_of_lake(file):
            return True
        try:
            with file.open("rb") as content:
                is_parquet = content.read(4) == b"PAR1"
            return is_parquet and has_ids(file)
        except (pa.ArrowException, OSError):
            return file.suffix == ".parquet"

    def is_of_lake(self, file: Path) -> bool:
        """Whether it is a table or a part file of the lake, whose rows all have ids of ours."""
        return is_lake_table(self.settings, file) or file.is_relative_to(self._parts)

    def of_table(self, file: Path) -> list[Removal]:
        """What goes of a table; its clips and rows are noted in the inventory."""
        self._count(file)
        if file.is_relative_to(self._parts):
            return [self._removal("part file", file)] if self._is_part(file) else []
        try:
            removed = clean(file, self.table_name(file), self.withdrawal, apply=False, note_sound=self._note_sound)
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            # Arrow reports damaged pages by an OSError without a number. Nobody can tell what is in them; the rest
            # goes all the same, and the takedown waits for this file.
            return [self._removal("unreadable", file)]
        self._inventory.rows.update(removed.by_recording)
        self._inventory.clips.update(removed.clips)
        return [self._removal("rows", file, removed.rows, removed.seconds)] if removed.changed else []

    def of_file(self, file: Path) -> list[Removal]:
        """What goes of a file that is no table with ids."""
        if self._exempt.has(file):
            return []
        if file.is_symlink() and not self._is_below(file.resolve()):
            self._inventory.unsearchable[place(self.settings, file)] = "is a link to a file outside of the workspace"
            return []
        self._count(file)
        try:
            if self._goes_by_name(file):
                return [self._removal("file", file)]
            if self._is_landed_sound(file):
                return []
            found = self.searcher.search(file, self.metadata_folder(file))
        except FileNotFoundError:
            return []
        except (Unsearchable, OSError) as error:
            self._note_unsearchable(file, error)
            return []
        where = place(self.settings, file)
        named = self._terms.in_text(where) == "mentions" or file.name.split(".")[0] in self._long_stems
        if (found and found.what == "mention") or (found is None and named):
            self._inventory.mentions.append(where)
        if found is None or found.what == "mention":
            return []
        return [self._removal(found.what, file, found.count, by_content=True)]

    def table_name(self, file: Path) -> str:
        """The table that a file of the lake belongs to, "" outside of the lake."""
        return file.parent.name if file.parent.parent == self.settings.lake.resolve() else ""

    def metadata_folder(self, file: Path) -> str | None:
        """The folder below landing of a file of metadata, None for every other file."""
        if file.name in METADATA_FILES and file.is_relative_to(self._landing):
            return file.parent.relative_to(self._landing).as_posix()
        return None

    def _goes_by_name(self, file: Path) -> bool:
        if file.is_relative_to(self._landing):
            source = file.relative_to(self._landing).as_posix()
            return file.name not in METADATA_FILES and landed.is_about(source, *self._stems)
        unfinished = file.name.startswith(".") and file.suffix == ".tmp"
        sampled = file.suffix.lower() in SOUND and any(file.is_relative_to(folder) for folder in self._models)
        return unfinished or sampled or file.suffix == ".html" or self._terms.in_text(file.name) == "holds"

    def _is_landed_sound(self, file: Path) -> bool:
        """Landed sound goes by its hash alone: in another encoding it is a recording with a consent of its own."""
        if not file.is_relative_to(self._landing):
            return False
        with file.open("rb") as content:
            return file.suffix.lower() in SOUND or kind_of(content.read(HEAD)) == "sound"

    @cached_property
    def _stems(self) -> tuple[set[PurePosixPath], set[PurePosixPath]]:
        """Landed recordings without extension: those that go and those that stay."""
        gone = {PurePosixPath(source) for one in self._plan.extents for source in one.sources}
        gone -= {PurePosixPath(file.relative_to(self.settings.landing)) for file in self._inventory.others}
        stay = {
            source
            for folder in {self._landing / one.parent for one in gone}
            for file in (folder.iterdir() if folder.is_dir() else ())
            if file.suffix.lower() in SOUND and (source := PurePosixPath(file.relative_to(self._landing))) not in gone
        }
        return {one.with_suffix("") for one in gone}, {one.with_suffix("") for one in stay}

    @cached_property
    def _long_stems(self) -> set[str]:
        """Names of withdrawn files without extension that are long enough to be of nothing else."""
        gone, stay = self._stems
        return {one.name for one in gone if len(one.name) >= LEAST_STEM} - {one.name for one in stay}

    def _is_below(self, file: Path) -> bool:
        return any(file.is_relative_to(root) for root in (self._root, self._landing, self._parts.parent))

    def _note_sound(self, data: bytes) -> None:
        add_stored_sound(self._terms.sound, data)

    def _note_unsearchable(self, file: Path, error: Unsearchable | OSError) -> None:
        folder = file.relative_to(self._root).parts[0] if file.is_relative_to(self._root) else ""
        with file.open("rb") as content:
            kind = kind_of(content.read(HEAD))
        # Weights and curves of models stay, marked; pictures of a report are of numbers.
        if not (folder == "models" and kind in ("numbers", "image", "unknown", "zip")) and (folder, kind) != (
            "report",
            "image",
        ):
            why = error.strerror if isinstance(error, OSError) else str(error)
            self._inventory.unsearchable[place(self.settings, file)] = why or type(error).__name__

    def _count(self, file: Path) -> None:
        top = file.relative_to(self._root).parts if file.is_relative_to(self._root) else (str(file.parent),)
        self._inventory.searched[top[0] if len(top) > 1 else "."] += 1

    def _is_part(self, file: Path) -> bool:
        """Whether a part file of a running stage has a row of what is withdrawn, be it in part.

        One that cannot be read counts too: nobody can tell what is in it, and its stage makes it again.
        """
        try:
            with pq.ParquetFile(readable(file)) as part:
                named = {about["source"] for about in parts_note(part.schema_arrow)}
                names = [name for name in part.schema_arrow.names if name.endswith("recording_id")]
                names += [name for name in part.schema_arrow.names if name == "model_id"]
                table = part.read(names)
        except (pa.ArrowException, OSError, ValueError):
            return True
        sources = {source for one in self._plan.extents for source in one.sources}
        gone = self.withdrawal.extents.keys() | self.withdrawal.tainted
        if not named or named & sources:
            return True
        return any(value in gone for name in names for value in table[name].to_pylist())

    def _removal(
        self, what: What, file: Path, count: int = 1, seconds: float = 0.0, by_content: bool = False
    ) -> Removal:
        return Removal(what, file, place(self.settings, file), count, seconds, by_content)
