"""The text of a transcript file: by its byte order mark, by what it declares, as UTF-8, or as unmistakable GB18030.

Nothing is guessed that could be read in two ways: such a file is refused with the names of the encodings.
"""

from __future__ import annotations

import codecs
import re

from pipeline.exchange.given import TranscriptError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_COMMON_SHARE = 0.8
_SAVE = "save it as UTF-8, or name its encoding in [given_text] encoding"


def decode(content: bytes, encoding: str = "") -> tuple[str, str | None]:
    """The text of a file's bytes, and a note if a person should look at how it was read.

    `encoding` is what the configuration says of files without a byte order mark. Raises TranscriptError.
    """
    for mark, name in _MARKS:
        if content.startswith(mark):
            return _strictly(content, "utf-8-sig" if name == "utf-8" else name, "its byte order mark says"), None
    declared = _DECLARED.match(content[:200])
    if declared:
        return _strictly(content, declared[1].decode("ascii"), "its first line says"), None
    if encoding:
        return _strictly(content, encoding, "[given_text] encoding says"), None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return _chinese(content)
    if "\0" in text:
        raise TranscriptError(f"has NUL bytes: it may be UTF-16 without a byte order mark; {_SAVE}")
    return text, None


def _strictly(content: bytes, encoding: str, who: str) -> str:
    try:
        text = content.decode(encoding)
    except LookupError:
        raise TranscriptError(f"is {encoding!r}, {who}, which is no encoding that is known; {_SAVE}") from None
    except UnicodeDecodeError as error:
        raise TranscriptError(f"is not the {encoding} that {who}: byte {error.start} does not fit; {_SAVE}") from None
    if "\0" in text:
        raise TranscriptError(f"has NUL characters as {encoding}; {_SAVE}")
    return text


def _chinese(content: bytes) -> tuple[str, str]:
    """GB18030 where that reads as common hanzi and Big5 does not."""
    readings = {
        name: share
        for name, plane in (("gb18030", "gb2312"), ("big5", "big5"))
        if (share := _common(content, name, plane)) is not None
    }
    likely = [name for name, share in readings.items() if share >= _COMMON_SHARE]
    if likely == ["gb18030"]:
        return content.decode("gb18030"), "is read as GB18030 (GBK): all of it is common characters; save it as UTF-8"
    if likely:
        raise TranscriptError(f"is not UTF-8 and may be {' or '.join(likely)}; {_SAVE}")
    raise TranscriptError(f"is neither UTF-8 nor unmistakably GB18030 (GBK); {_SAVE}")


def _common(content: bytes, encoding: str, plane: str) -> float | None:
    """The share of common hanzi in what is not ASCII; None if it is not of that encoding at all."""
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    others = [letter for letter in text if not letter.isascii()]
    return sum(_is_common(letter, plane) for letter in others) / len(others) if others else 0.0


def _is_common(letter: str, plane: str) -> bool:
    if "\u3000" <= letter <= "\u303f" or "\uff00" <= letter <= "\uffef" or letter in "“”‘’…—":
        return True
    if not "\u4e00" <= letter <= "\u9fff":
        return False
    code = letter.encode(plane, "ignore")
    # The first plane of each holds the characters in everyday use.
    first, last = (0xB0, 0xD7) if plane == "gb2312" else (0xA4, 0xC6)
    return len(code) == 2 and first <= code[0] <= last
