"""What a file is, told from its first bytes: names and extensions may say anything."""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "empty", "parquet", "arrow", "zip", "tar", "compressed", "sqlite", "duckdb", "sound", "image", "numbers", "text",
    "unknown",
]  # fmt: skip
HEAD = 4_096
_MAGIC: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"PAR1", "parquet"),
    (0, b"ARROW1", "arrow"),
    (0, b"\xff\xff\xff\xff", "arrow"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"PK\x05\x06", "zip"),
    (257, b"ustar", "tar"),
    (0, b"\x1f\x8b", "compressed"),
    (0, b"BZh", "compressed"),
    (0, b"\xfd7zXZ\x00", "compressed"),
    (0, b"\x28\xb5\x2f\xfd", "compressed"),
    (0, b"SQLite format 3\x00", "sqlite"),
    (8, b"DUCK", "duckdb"),
    (0, b"RIFF", "sound"),
    (0, b"RF64", "sound"),
    (0, b"riff", "sound"),
    (0, b"FORM", "sound"),
    (0, b"fLaC", "sound"),
    (0, b"OggS", "sound"),
    (0, b"ID3", "sound"),
    (0, b"caff", "sound"),
    (0, b".snd", "sound"),
    (0, b"#!AMR", "sound"),
    (0, b"wvpk", "sound"),
    (0, b"MAC ", "sound"),
    (0, b"\x1aE\xdf\xa3", "sound"),
    (0, b"\x30\x26\xb2\x75", "sound"),
    (4, b"ftyp", "sound"),
    (0, b"\x89PNG", "image"),
    (0, b"\xff\xd8\xff", "image"),
    (0, b"GIF8", "image"),
    (0, b"\x93NUMPY", "numbers"),
    (0, b"%PDF", "unknown"),
    (0, b"{\\rtf", "unknown"),
)


def kind_of(head: bytes) -> Kind:
    """From the first HEAD bytes, or all of a shorter file."""
    if not head:
        return "empty"
    for offset, magic, kind in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return kind
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 in (0xE0, 0xE2):
        # An MPEG audio frame without a tag before it.
        return "sound"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 30:
        return "numbers"
    return "text" if _is_text(head) else "unknown"


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if b"\x00" in head:
        # UTF-16 without its mark: the zeros of its line ends and Latin letters lie on one side, and all is readable.
        even, odd = head[::2].count(0), head[1::2].count(0)
        text = head[: len(head) // 2 * 2].decode("utf-16-le" if odd else "utf-16-be", "replace")[:-1]
        return min(even, odd) == 0 and all(letter.isprintable() or letter in "\r\n\t\u3000" for letter in text)
    controls = sum(byte < 9 or 13 < byte < 27 for byte in head)
    return controls == 0
