"""What is left of withdrawn audio: hashes by which the same file or sound is refused when it lands again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline.audio.decoding_options import PLAIN
from pipeline.audio.measuring import audio_sha256, measure
from pipeline.errors import BadRecording
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.objects.originals import here

TABLE = "tombstones"


class Withdrawn:
    """Looks hashes up in table `tombstones`; reads it again when a takedown was added."""

    def __init__(self, lake_root: Path) -> None:
        self._lake = Lake(lake_root)
        self._known: dict[str, str] = {}
        self._read: frozenset[str] = frozenset()

    def why(self, *hashes: str | None) -> str | None:
        """A sentence if one of these SHA-256 of a file's bytes or decoded audio was withdrawn, else None."""
        partitions = frozenset(self._lake.partitions(TABLE))
        if partitions != self._read:
            self._known, self._read = self._load(partitions), partitions
        return next((self._known[name] for name in hashes if name and name in self._known), None)

    def _load(self, partitions: frozenset[str]) -> dict[str, str]:
        return reasons(row for partition in partitions for row in self._lake.rows(TABLE, partition))


def reasons(rows: Iterable[Row]) -> dict[str, str]:
    """Why a file is refused, by the SHA-256 of its bytes and of its decoded audio; `rows` are those of the table."""
    known = {}
    for row in rows:
        words = f"was withdrawn on {row['withdrawn'][:10]} by takedown {row['takedown_id']}; delete the file"
        known |= {row[name]: words for name in ("audio_sha256", "file_sha256") if row[name]}
    return known


def sound_sha256s(file: Path) -> frozenset[str]:
    """Hashes under which a file's sound may stand as `audio_sha256`: decoded as ingest does, and plainly.

    Empty for what does not decode. A changed tag or container changes the file and not the voice in it.
    """
    try:
        with here(file) as path:
            measured = measure(path)
            plain = measured.audio_sha256 if measured.options == PLAIN else audio_sha256(path)
    except BadRecording:
        return frozenset()
    return frozenset((measured.audio_sha256, plain))
