"""Landed files that are withdrawn, and the files beside them that are about them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path, PurePosixPath

from pipeline.lake.files import file_sha256
from pipeline.rights.tombstones import sound_sha256s
from pipeline.settings import Settings
from pipeline.takedown.extents import WithdrawalExtent


def landed(settings: Settings, extent: WithdrawalExtent) -> tuple[list[Path], list[Path]]:
    """The extent's files below landing, and files under their names that hold something else by now and stay."""
    ours, others = [], []
    for source in extent.sources:
        file = settings.landing / source
        if file.is_symlink() or file.is_file():
            (ours if _same(file, extent) else others).append(file)
    return ours, others


def is_about(source: str, gone: Collection[PurePosixPath], staying: Collection[PurePosixPath]) -> bool:
    """Whether `a.txt`, `a.wav.json` or `a.zh.srt` is about `a.wav`, which goes, and about no `a.mp3` that stays."""
    file = PurePosixPath(source)
    return _is_beside(file, gone) and not _is_beside(file, staying)


def _is_beside(file: PurePosixPath, recordings: Collection[PurePosixPath]) -> bool:
    parts = file.name.split(".")
    stems = {".".join(parts[:count]) for count in range(1, len(parts))}
    return any(file.parent / stem in recordings for stem in stems)


def _same(file: Path, extent: WithdrawalExtent) -> bool:
    if not file.exists() or not extent.file_sha256s:
        return True
    if file_sha256(file) in extent.file_sha256s:
        return True
    return extent.audio_sha256 is not None and extent.audio_sha256 in sound_sha256s(file)
