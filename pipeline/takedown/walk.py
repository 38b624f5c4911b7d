"""Which files of a workspace a takedown looks at, and which it leaves to others."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pipeline.corpus.facts import FOLDER as FACTS
from pipeline.lake.tables import TABLES
from pipeline.objects.path import ObjectPath
from pipeline.releases.names import is_file_of_release
from pipeline.rights import audit
from pipeline.rights.consents import CONSENTS_FILE, read_consents
from pipeline.settings import Settings
from pipeline.takedown.journal import FOLDER as JOURNALS

SOUND = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".webm", ".mka"}
REBUILT = ("cache",)
REBUILT_CORPUS = FACTS
_NOT_SEARCHED = ("dagster", "batches", JOURNALS)
_LOGS = {audit.LOG, audit.HEAD, ".audit.lock", ".corrections.lock", ".takedown.gate", ".takedown.lock"}
_MODEL_CARDS = {"card.json", "README.md"}


def walk(settings: Settings, links: list[Path]) -> Iterator[Path]:
    """Files of workspace, lake, landing and releases; not caches, Dagster's storage, manifests and journals.

    Links to folders elsewhere are not followed but noted in `links`.
    """
    root = settings.root.resolve()
    places = [folder.resolve() for folder in (settings.lake, settings.landing, settings.releases)]
    apart = [folder for folder in places if not folder.is_relative_to(root)]
    for top in (root, *apart):
        if isinstance(top, ObjectPath):
            yield from (file for file, _ in top.walk_files())
            continue
        for folder, folders, names in os.walk(top):
            here = Path(folder)
            skipped = {*_NOT_SEARCHED, *REBUILT} if here == root else set()
            folders[:] = sorted(name for name in folders if name not in skipped)
            links += [link for name in folders if _leads_away(link := here / name, (root, *apart))]
            yield from (file for name in sorted(names) if _is_file(file := here / name))


def is_lake_table(settings: Settings, file: Path) -> bool:
    """Whether the file is a partition of a known table: its rows go by their ids alone."""
    folder = file.parent
    return file.suffix == ".parquet" and folder.parent == settings.lake.resolve() and folder.name in TABLES


class Exempt:
    """Files that name what is withdrawn and stay: logs, consents with their evidence, cards of tainted models, and
    what is written again: the catalog, and what releases say of themselves."""

    def __init__(self, settings: Settings) -> None:
        root, landing = settings.root.resolve(), settings.landing.resolve()
        self._settings = settings
        consents, _ = read_consents(settings.landing / CONSENTS_FILE)
        self._models = root / "models"
        self._files = {root / name for name in _LOGS} | {settings.catalog.resolve(), landing / CONSENTS_FILE}
        self._files |= {landing / one.evidence for one in consents if one.evidence}

    def has(self, file: Path) -> bool:
        if is_file_of_release(self._settings, file) and file.suffix != ".parquet":
            return True
        return file in self._files or (file.name in _MODEL_CARDS and file.is_relative_to(self._models))


def _leads_away(folder: Path, roots: tuple[Path, ...]) -> bool:
    return folder.is_symlink() and not any(folder.resolve().is_relative_to(root) for root in roots)


def _is_file(file: Path) -> bool:
    """Ordinary files and links, broken ones too; a pipe would be waited for without end."""
    return file.is_symlink() or stat.S_ISREG(os.lstat(file).st_mode)
