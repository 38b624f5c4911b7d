"""What a withdrawal is recognised by where no id is: its words, names of files and speakers, and its sound."""

from __future__ import annotations

import html
import io
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from pipeline.lake.files import replace_bytes
from pipeline.lake.rows import Row
from pipeline.takedown.content.finder import Finder
from pipeline.takedown.content.sound import SoundIndex
from pipeline.takedown.extents import Withdrawal
from pipeline.takedown.names import speaker_names

LEAST_IDEOGRAPHS, LEAST_LETTERS = 5, 12
"""A text with fewer ideographs, and fewer letters in all, may be said by anybody: it identifies nobody."""
_OUR_ID = re.compile(r"(?:f-)?[0-9a-f]{16}(?:-\d{9,}-\d{9,})?")
_OTHER_ID = re.compile(r"(?<![0-9A-Za-z])(?:f-)?[0-9a-f]{16}-\d{9,}-\d{9,}")
IDEOGRAPH = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
Certainty = Literal["holds", "mentions"]


@dataclass
class Terms:
    """Words are `plain`, names `folded`, sources and file names NFC. `short` are words too common to count alone."""

    withdrawal: Withdrawal
    sources: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    """The name that was asked for: rows with it go."""
    others: frozenset[str] = frozenset()
    """Other names of the speakers of what goes: where they are read, somebody has to look."""
    stems: frozenset[str] = frozenset()
    """Names of files without extension, with a number in them: rows have them as ids of recordings."""
    texts: frozenset[str] = frozenset()
    short: frozenset[str] = frozenset()
    sound: SoundIndex = field(default_factory=SoundIndex)

    def in_text(self, text: str) -> Certainty | None:
        """`holds` if something withdrawn is in it, `mentions` if no more than a speaker's name is."""
        if self.withdrawal.in_text(text) or self._sources.found(unicodedata.normalize("NFC", text)):
            return "holds"
        if self._texts.found(plain(unescaped(text))):
            return "holds"
        return "mentions" if self.names | self.others and self._names.search(unescaped(text).casefold()) else None

    def in_record(self, values: Iterable[str], line: str, folder: str | None = None) -> Certainty | None:
        """Like in_text for a row or line with such values. One with the id of something else goes by that alone.

        `mentions` if one of its values is a text that is too short to count alone. `folder`, below landing, is where
        a table of metadata lies that may name files by paths below it.
        """
        if self.withdrawal.in_line(line):
            return "holds"
        if _OTHER_ID.search(line):
            return None
        values = list(values)
        if folder is not None and any(self._names_file(folder, value) for value in values):
            return "holds"
        if self._sources.found(unicodedata.normalize("NFC", line)) or self._texts.found(plain(unescaped(line))):
            return "holds"
        if any(value.strip() in self.stems for value in values):
            return "holds"
        if self.names and any(self.names.intersection(speaker_names(value)) for value in values if len(value) < 500):
            return "holds"
        return "mentions" if any(plain(value) in self.short for value in values if len(value) < 50) else None

    def may_be_in(self, text: str) -> bool:
        """False if no record of the text can hold anything."""
        return self.in_text(text) is not None or self._stems.found(text) is not None

    def by_ids(self, row: Row) -> bool | None:
        """Whether a row with columns of ids goes, None if it has none of ours: then its words and sound decide."""
        ids = [value for name, value in row.items() if name.endswith(("recording_id", "segment_id"))]
        if not any(isinstance(value, str) and _OUR_ID.fullmatch(value) for value in ids):
            return None
        return self.withdrawal.of_row("", row, has_audio="audio" in row) is not None

    def has_other_id(self, line: str) -> bool:
        """True if a line has the id of a span, be it withdrawn or not."""
        return _OTHER_ID.search(line) is not None

    def _names_file(self, folder: str, value: str) -> bool:
        return unicodedata.normalize("NFC", str(PurePosixPath(folder, value.strip()))) in self.sources

    def save(self, file: Path) -> None:
        """Write all but the withdrawal, so that a takedown that was killed can go on looking."""
        words = {
            name: sorted(getattr(self, name)) for name in ("sources", "names", "others", "stems", "texts", "short")
        }
        prints, ends = self.sound.arrays()
        content = io.BytesIO()
        packed = np.frombuffer(json.dumps(words).encode(), np.uint8)
        np.savez_compressed(content, words=packed, prints=prints, ends=ends)
        replace_bytes(file, content.getvalue())

    @classmethod
    def load(cls, file: Path, withdrawal: Withdrawal) -> Terms:
        """What `save` wrote."""
        with np.load(file, allow_pickle=False) as arrays:
            words = json.loads(arrays["words"].tobytes())
            sound = SoundIndex(arrays["prints"], arrays["ends"])
        return cls(withdrawal, **{name: frozenset(values) for name, values in words.items()}, sound=sound)

    @cached_property
    def _sources(self) -> Finder:
        return Finder(self.sources, apart=True)

    @cached_property
    def _stems(self) -> Finder:
        return Finder(self.stems, apart=True)

    @cached_property
    def _texts(self) -> Finder:
        return Finder(self.texts)

    @cached_property
    def _names(self) -> re.Pattern[str]:
        return re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(self.names | self.others)))


def plain(text: str) -> str:
    """Spoken characters alone: NFKC, lower case, no blanks, no punctuation."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())


def unescaped(text: str) -> str:
    r"""Text as people read it, with markup taken out and HTML's `&#x6211;` and JSON's `\u6211` resolved."""
    if "\\u" in text:
        text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
        # Pairs of surrogates stand for one character; a half one is nobody's word.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "<" in text:
        text = re.sub(r"<[^<>]{0,2000}>", "", text)
    return html.unescape(text) if "&" in text else text


def is_specific(words: str) -> bool:
    """True if plain words are long enough to be somebody's own."""
    return len(IDEOGRAPH.findall(words)) >= LEAST_IDEOGRAPHS or len(words) >= LEAST_LETTERS


def sentences(text: str) -> list[str]:
    """The sentences of a given transcript, plain."""
    return [words for one in re.split(r"[。！？!?；;\n\r|]+", text) if (words := plain(one))]
