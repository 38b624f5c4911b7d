"""Which transcripts lie beside a recording: `a.eaf`, `a.TextGrid` or `a.wav.txt` beside `a.wav`."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.exchange.formats import FORMATS, format_of
from pipeline.lake.storage import names_in


@dataclass(frozen=True)
class Sidecar:
    """A transcript's file: its path below landing, its bytes and modification time."""

    source: str
    bytes: int
    mtime_ns: int


class Sidecars:
    """Transcripts by recording; a folder is listed once. `passed_over` are sources that are something else."""

    def __init__(self, landing: Path, passed_over: Collection[str] = ()) -> None:
        self._landing = landing
        self._passed_over = frozenset(passed_over)
        self._folders: dict[str, dict[str, list[str]]] = {}

    def of(self, source: str) -> tuple[Sidecar, ...]:
        """Those of a recording, in the order of FORMATS, the fullest first. A link out of landing is none."""
        path = PurePosixPath(source)
        listed = self._folder(str(path.parent))
        names = [name for stem in dict.fromkeys(map(_plain, (path.stem, path.name))) for name in listed.get(stem, ())]
        order = [one.extension for one in FORMATS]
        found = []
        for name in sorted(names, key=lambda name: (order.index(name.rpartition(".")[2].casefold()), name)):
            one = str(path.parent / name)
            about = None if one in self._passed_over else self._stat(one)
            if about is not None:
                found.append(Sidecar(one, about.st_size, about.st_mtime_ns))
        return tuple(found)

    def _folder(self, folder: str) -> dict[str, list[str]]:
        """Names of transcripts in a folder by what they are called before the format's ending."""
        if folder not in self._folders:
            self._folders[folder] = by_stem = {}
            try:
                names = names_in(self._landing / folder)
            except OSError:
                names = []
            for name in sorted(names):
                if not name.startswith(".") and "." in name and format_of(name):
                    by_stem.setdefault(_plain(name.rpartition(".")[0]), []).append(name)
        return self._folders[folder]

    def _stat(self, source: str) -> os.stat_result | None:
        path = self._landing / source
        try:
            about = path.stat()
            inside = not path.is_symlink() or path.resolve().is_relative_to(self._landing.resolve())
        except OSError:
            return None
        return about if inside and stat.S_ISREG(about.st_mode) else None


def could_be_of(transcript: str) -> set[str]:
    """What a recording is called without its ending, or with it, for which a transcript of this source would count."""
    path = PurePosixPath(transcript)
    return {str(path.parent / _plain(path.stem))}


def called(source: str) -> set[str]:
    """Under which names `could_be_of` finds a recording."""
    path = PurePosixPath(source)
    return {str(path.parent / _plain(path.stem)), str(path.parent / _plain(path.name))}


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
