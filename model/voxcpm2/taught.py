"""What a checkpoint or an adapter was taught: `taught.json` beside its weights. Asked for other speech, it babbles."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from model.voxcpm2 import text as wording
from pipeline.lake.files import replace_bytes

FILE = "taught.json"
_SHOWN = 12


@dataclass(frozen=True)
class Taught:
    """Codes of dialects, characters but punctuation, and how many of them the longest text had that it learned from."""

    dialects: frozenset[str]
    characters: frozenset[str]
    longest: int

    @classmethod
    def of(cls, texts: Iterable[tuple[str, str]]) -> Taught:
        """Of what was learned: pairs of dialect and text."""
        pairs = [(dialect, [each for each in text if each.isalnum()]) for dialect, text in texts]
        return cls(
            frozenset(dialect for dialect, _ in pairs if dialect),
            frozenset(each for _, said in pairs for each in said),
            max((len(said) for _, said in pairs), default=0),
        )

    @classmethod
    def read(cls, folder: Path) -> Taught | None:
        """None where the folder does not say. Raises ValueError for a file that cannot be read."""
        file = folder / FILE
        if not file.is_file():
            return None
        try:
            held = json.loads(file.read_text(encoding="utf-8"))
            return cls(frozenset(held["dialects"]), frozenset(held["characters"]), int(held["longest"]))
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise ValueError(f"{file}: cannot be read: {error}") from None

    def write(self, folder: Path) -> None:
        held = {
            "dialects": sorted(self.dialects),
            "longest": self.longest,
            "characters": "".join(sorted(self.characters)),
        }
        replace_bytes(folder / FILE, (json.dumps(held, ensure_ascii=False, indent=1) + "\n").encode())

    def __or__(self, other: Taught | None) -> Taught:
        """What a base and an adapter on it were taught together."""
        if other is None:
            return self
        return Taught(
            self.dialects | other.dialects, self.characters | other.characters, max(self.longest, other.longest)
        )

    def complaints(self, text: str, dialect: str = "") -> list[str]:
        """What is asked for that was not taught, a sentence each."""
        words = wording.split_control(wording.clean(text))[1]
        said = [each for each in words if not each.isspace()]
        letters = [each for each in said if each.isalnum()]
        found = []
        if not letters:
            found.append("the text has nothing in it that is pronounced; what comes out means nothing")
        if dialect and dialect not in self.dialects:
            known = ", ".join(sorted(self.dialects))
            found.append(f"this voice was never taught {dialect}, only {known}; it speaks in one of those, or babbles")
        strange = list(dict.fromkeys(each for each in letters if each not in self.characters))
        if strange:
            shown = "".join(strange[:_SHOWN]) + ("…" if len(strange) > _SHOWN else "")
            found.append(f"{len(strange)} characters were never taught and will not be said as written: {shown}")
        return found
