"""Sound files of an export, one a clip: their names, their writing, and their length by their first bytes."""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from pipeline.exchange.exports import Clip
from pipeline.lake.files import replace_bytes

_PLAIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")
_HEAD_BYTES = 64


def safe_name(name: str) -> str:
    """A name of letters, digits, dashes and underscores: the name itself if it is one, else with a hash of it."""
    if _PLAIN.fullmatch(name):
        return name
    readable = re.sub(r"[^0-9A-Za-z]+", "-", name)[:40].strip("-")
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{readable}-{digest}" if readable else f"x-{digest}"


@dataclass(frozen=True)
class Sounds:
    """The folder `audio` of an export; a file that is there is whole, for it is put there in one step."""

    out: Path
    encoding: str

    def place(self, split: str, segment_id: str) -> Path:
        """Where the sound of a segment lies, whether it is there or not."""
        return self.out / "audio" / safe_name(split) / f"{safe_name(segment_id)}.{self.encoding}"

    def put(self, clip: Clip) -> Path:
        """The file of a clip, written if it is not there."""
        file = self.place(clip.split, clip.segment_id)
        if not file.exists():
            replace_bytes(file, clip.audio)
        return file


def length_of(file: Path) -> tuple[int, int]:
    """Samples and rate in Hz of a FLAC or WAV file of ours. Raises ValueError for another."""
    with file.open("rb") as content:
        return length_in(content.read(_HEAD_BYTES))


def length_in(head: bytes) -> tuple[int, int]:
    """As `length_of`, of the first 64 bytes of a file (or all of them)."""
    if head[:4] == b"fLaC":
        packed = int.from_bytes(head[18:26], "big")
        return packed & ((1 << 36) - 1), packed >> 44
    if head[:4] == b"RIFF" and head[36:40] == b"data":
        channels, rate = struct.unpack_from("<HI", head, 22)
        (size,) = struct.unpack_from("<I", head, 40)
        return size // (2 * channels), rate
    raise ValueError("is neither FLAC nor 16-bit WAV with a plain header")
