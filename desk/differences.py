"""Where two texts of one stretch differ, by characters, as far as the dialect's normaliser tells them apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from pipeline.text.normalize import Normalizer
from pipeline.text.script import folded


@dataclass(frozen=True)
class Piece:
    """A stretch of a hypothesis: `same` as the text, `other` than it, or `missing` (text that the hypothesis lacks).

    `text` is what is shown; of `other` pieces `instead` is what the text has there.
    """

    kind: Literal["same", "other", "missing"]
    text: str
    instead: str = ""


def differences(text: str, hypothesis: str, normalizer: Normalizer) -> list[Piece]:
    """The hypothesis as written, cut into pieces that agree with `text` and pieces that do not.

    Punctuation, script and how a number is written make no difference where the normaliser makes none of them.
    """
    one, two = (_letters(unicodedata.normalize("NFC", each)) for each in (text, hypothesis))
    from rapidfuzz.distance import Levenshtein

    pieces: list[Piece] = []
    steps = Levenshtein.opcodes([fold for fold, _ in one], [fold for fold, _ in two])
    for same, (begin_one, end_one, begin_two, end_two) in _blocks(steps):
        theirs = "".join(written for _, written in two[begin_two:end_two])
        ours = "".join(written for _, written in one[begin_one:end_one])
        if same or normalizer.text(ours) == normalizer.text(theirs):
            _add(pieces, Piece("same", theirs))
        elif not normalizer.text(theirs):
            _add(pieces, Piece("missing", ours.strip(), ours))
            _add(pieces, Piece("same", theirs))
        else:
            _add(pieces, Piece("other", theirs, ours))
    return pieces


def _letters(text: str) -> list[tuple[str, str]]:
    """(character as it is compared, the text that it stands for with what follows it that is not compared)."""
    found: list[tuple[str, str]] = []
    for letter in text:
        if letter.isalnum() or not found:
            found.append((folded(letter).lower() if letter.isalnum() else "", letter))
        else:
            found[-1] = (found[-1][0], found[-1][1] + letter)
    return found


def _blocks(steps: Iterable[Any]) -> Iterator[tuple[bool, tuple[int, int, int, int]]]:
    """Neighbouring edits joined into one block each: a number written otherwise is several edits."""
    for same, group in groupby(steps, key=lambda step: step.tag == "equal"):
        parts = list(group)
        first, last = parts[0], parts[-1]
        yield same, (first.src_start, last.src_end, first.dest_start, last.dest_end)


def _add(pieces: list[Piece], piece: Piece) -> None:
    if not piece.text:
        return
    if pieces and pieces[-1].kind == piece.kind == "same":
        pieces[-1] = Piece("same", pieces[-1].text + piece.text)
    else:
        pieces.append(piece)
