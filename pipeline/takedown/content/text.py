"""Text files of any form and encoding: tables and lines lose their withdrawn records, other files go whole."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pipeline.lake.files import replace_file
from pipeline.takedown.content.outcome import Outcome, Unsearchable
from pipeline.takedown.content.readings import blocks, readings
from pipeline.takedown.content.records import Record, is_one_object, joined, records
from pipeline.takedown.content.terms import Certainty, Terms

_WHOLE = {
    *(".html", ".htm", ".xhtml", ".xml", ".eaf", ".textgrid", ".srt", ".vtt", ".ass", ".ssa", ".ttml", ".svg", ".rtf"),
    *(".ipynb", ".yaml", ".yml", ".toml", ".py", ".sh", ".trs", ".tex", ".sql"),
}
# As one run, or in the lines of 60 characters and more that mail and notebooks make of it.
_EMBEDDED = re.compile(r"(?:[A-Za-z0-9+/]{60,}(?:\r?\n|\\n)?){2,}[A-Za-z0-9+/]*={0,2}")
_PLAYER = re.compile(r"<audio|<video|data:audio|data:application/octet-stream;base64", re.IGNORECASE)
_MARKUP = re.compile(r"\s*<(!doctype html|html|head|body|audio|\?xml[^>]*>\s*<(!doctype )?html)", re.IGNORECASE)
Sound = Callable[[bytes], bool]


def search(file: BinaryIO, suffix: str, terms: Terms, is_withdrawn: Sound, folder: str | None = None) -> Outcome | None:
    """What of a text file is withdrawn. Raises Unsearchable.

    `is_withdrawn` judges what is embedded as base64; `folder` is that of a table of metadata below landing.
    """
    count, left = 0, None
    for block in blocks(file):
        texts = [text for _, text in readings(block)]
        if not texts:
            raise Unsearchable("is text in no encoding that is known")
        if any(_MARKUP.match(text) and (suffix == ".html" or _PLAYER.search(text)) for text in texts):
            return Outcome("file")
        if folder is None and not any(_embedded(text, is_withdrawn) or terms.may_be_in(text) for text in texts):
            continue
        _, gone, rest = without(block, suffix, terms, is_withdrawn, folder)
        count, left = count + gone, rest if rest == "holds" else left or rest
    if left == "holds":
        return Outcome("file")
    if count:
        return Outcome("lines", count)
    return Outcome("mention") if left else None


def remove(file: Path, terms: Terms, is_withdrawn: Sound, folder: str | None = None) -> None:
    """Take the withdrawn records out of a text file, in one step."""

    def write(temporary: Path) -> None:
        with file.open("rb") as source, temporary.open("wb") as target:
            for block in blocks(source):
                target.write(without(block, file.suffix.lower(), terms, is_withdrawn, folder)[0])
            target.flush()
            os.fsync(target.fileno())

    replace_file(file, write)


def without(
    content: bytes, suffix: str, terms: Terms, is_withdrawn: Sound, folder: str | None
) -> tuple[bytes, int, Certainty | None]:
    """The content without its withdrawn records, how many there were, and what is in the rest all the same."""
    tried = [_without(text, encoding, suffix, terms, is_withdrawn, folder) for encoding, text in readings(content)]
    # Read in the wrong encoding it holds nothing.
    return max(tried, key=lambda one: (one[2] == "holds", one[1]), default=(content, 0, None))


def _without(
    text: str, encoding: str, suffix: str, terms: Terms, is_withdrawn: Sound, folder: str | None
) -> tuple[bytes, int, Certainty | None]:
    if suffix in _WHOLE or _MARKUP.match(text) or is_one_object(text):
        return text.encode(encoding), 0, _level(text, terms, is_withdrawn)
    every, is_list = records(text)
    judged = [_judge(record, terms, is_withdrawn, folder) for record in every]
    # Words that are too short to count alone count beside others.
    going = ("holds", "mentions") if "holds" in judged else ("holds",)
    kept = [record for record, one in zip(every, judged, strict=True) if one not in going]
    # A record with the id of something that stays is decided by that.
    doubtful = "".join(record.text for record in kept if not terms.has_other_id(record.text))
    rest = _level(doubtful, terms, is_withdrawn)
    if every and not any(record.text.strip() for record in kept):
        rest = "holds"
    return joined(kept, is_list).encode(encoding), len(every) - len(kept), rest


def _judge(record: Record, terms: Terms, is_withdrawn: Sound, folder: str | None) -> Certainty | None:
    if _embedded(record.text, is_withdrawn):
        return "holds"
    return terms.in_record(record.values, record.text, folder)


def _level(text: str, terms: Terms, is_withdrawn: Sound) -> Certainty | None:
    return "holds" if _embedded(text, is_withdrawn) else terms.in_text(text)


def _embedded(text: str, is_withdrawn: Sound) -> bool:
    for found in _EMBEDDED.finditer(text):
        try:
            letters = re.sub(r"\s|\\n", "", found[0])
            data = base64.b64decode(letters[: len(letters) // 4 * 4])
        except binascii.Error:
            continue
        if is_withdrawn(data):
            return True
    return False
