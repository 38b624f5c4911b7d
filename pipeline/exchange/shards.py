"""Clips in shards of one split each; a shard that is there is whole, for it is put there in one step."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.exchange.exports import Clip

SIZE = 500


def shards(clips: Iterable[Clip], size: int = SIZE) -> Iterator[tuple[str, int, list[Clip]]]:
    """(split, number from 0, its clips) of clips that come in order of split; holds no sound."""
    number = 0
    part: list[Clip] = []
    for clip in clips:
        if part and (clip.split != part[0].split or len(part) == size):
            yield part[0].split, number, part
            number = number + 1 if clip.split == part[0].split else 0
            part = []
        part.append(clip)
    if part:
        yield part[0].split, number, part


class Tar:
    """An uncompressed tar file whose bytes depend on names and contents alone."""

    def __init__(self, file: Path) -> None:
        self._tar = tarfile.open(file, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115

    def add(self, name: str, content: bytes) -> None:
        """Add a member."""
        about = tarfile.TarInfo(name)
        about.size = len(content)
        self._tar.addfile(about, io.BytesIO(content))

    def __enter__(self) -> Tar:
        return self

    def __exit__(self, *_error: object) -> None:
        self._tar.close()
