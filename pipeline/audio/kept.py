"""Decoded recordings kept between the stages of a batch: float32 at 16 kHz, a file each, as it came out of the decoder.

The folder is bounded, what was used longest ago goes first; a full disk costs time alone. It lies in the workspace's
`cache`, which a takedown removes whole. Samples are kept as they are, so that rows do not depend on it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
_ITEM = np.dtype("<f4")
_LEFT_FREE = 1_000_000_000
"""Bytes of the disk that are never taken."""
_ABANDONED_S = 86_400.0


@dataclass(frozen=True)
class KeptAudio:
    """`folder` below a workspace that is there, and the most `bytes` that it may hold; 0: nothing is kept."""

    folder: str
    bytes: int

    def samples(self, key: str) -> NDArray[np.float32] | None:
        """The recording (T,) kept under `key`, mapped from its file, or None."""
        file = Path(self.folder) / key
        try:
            if not self.bytes or file.stat().st_size % _ITEM.itemsize:
                return None
            found = np.memmap(file, _ITEM, "r")
            os.utime(file)
        except (OSError, ValueError):
            return None
        return found

    def keeping(self, key: str, blocks: Iterator[NDArray[np.float32]], seconds: float) -> Iterator[NDArray[np.float32]]:
        """The same blocks (T,), kept under `key` if they are read to their end and there is room for `seconds`."""
        file = self._begin(key, round(seconds * SAMPLE_RATE) * _ITEM.itemsize)
        try:
            for block in blocks:
                if file is not None and not self._written(file, block.astype(_ITEM, copy=False).tobytes()):
                    file = None
                yield block
            if file is not None:
                # Renamed only when whole; a reader of the file that it replaces keeps that one.
                with contextlib.suppress(OSError):
                    file.replace(Path(self.folder) / key)
                file = None
        finally:
            if file is not None:
                file.unlink(missing_ok=True)

    def _begin(self, key: str, size: int) -> Path | None:
        """An empty file to be written, after room was made for it; None if there is none."""
        folder = Path(self.folder)
        if not 0 < size <= self.bytes or not folder.parent.parent.is_dir():
            return None
        file = folder / f"{key}.{os.getpid()}.part"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._evict(size)
            if shutil.disk_usage(folder).free < size + _LEFT_FREE:
                return None
            file.write_bytes(b"")
        except OSError:
            return None
        return file

    def _evict(self, size: int) -> None:
        """Remove what was used longest ago until `size` more bytes fit, and what killed workers left half written."""
        held: list[tuple[float, int, Path]] = []
        for file in Path(self.folder).iterdir():
            with contextlib.suppress(OSError):
                about = file.stat()
                if file.suffix == ".part" and time.time() - about.st_mtime > _ABANDONED_S:
                    file.unlink()
                    continue
                held.append((about.st_mtime, about.st_size, file))
        total = sum(one for _, one, _ in held) + size
        for _, bytes_, file in sorted(held):
            if total <= self.bytes:
                return
            if file.suffix != ".part":
                file.unlink(missing_ok=True)
                total -= bytes_

    @staticmethod
    def _written(file: Path, content: bytes) -> bool:
        try:
            with file.open("ab") as out:
                out.write(content)
        except OSError:
            file.unlink(missing_ok=True)
            return False
        return True
