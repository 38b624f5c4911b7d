"""Listeners' answers: reads the CSV files that the page exports, checks every row against the key, and un-blinds them.

A row that cannot count is left out and named with file and line. Names of listeners do not go further than here.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

COLUMNS = (
    *("test", "listener", "task", "item", "answer", "first", "second", "heard_s", "plays", "position", "answered_at"),
)
HEARD_SHARE = 0.8
"""Whoever heard less than this share of the clips' length answered too fast."""
_LISTENER = re.compile(r"[^\W_][\w .-]{0,31}")


class AnswersError(ValueError):
    """The key or a file of answers cannot be used at all; the message says which and why."""


class Clip(BaseModel):
    """Who spoke a clip, as the key tells it; `seconds` is its length."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    utterance_id: str
    text: str
    system: str
    model_id: str
    dialect: str
    reference_recording_id: str | None = None
    seconds: float = Field(gt=0)


class Key(BaseModel):
    """The key file of a page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(ge=1, le=1)
    test: str = Field(pattern=r"^[0-9a-f]{8}$", description="names the file that keeps the answers")
    title: str
    made: str
    clips: dict[str, Clip]
    pairs: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Rating:
    """One listener's opinion of one clip, 1 (bad) to 5 (excellent)."""

    listener: str
    clip: Clip
    score: int


@dataclass(frozen=True)
class Preference:
    """One listener's choice between two clips of an utterance."""

    listener: str
    chosen: Clip
    other: Clip


@dataclass
class Answers:
    """What counts, and what does not: `faults` are rows that are wrong, `too_fast` rows of who did not listen."""

    test: str
    ratings: list[Rating] = field(default_factory=list)
    preferences: list[Preference] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    too_fast: list[str] = field(default_factory=list)

    @property
    def listeners(self) -> int:
        """Number of listeners with an answer that counts."""
        return len({one.listener for one in (*self.ratings, *self.preferences)})


def read_key(file: Path) -> Key:
    """The key of a page. Raises AnswersError."""
    try:
        return Key.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise AnswersError(f"{file}: no such key; it was written beside the page as <page>.key.json") from None
    except (ValidationError, ValueError) as error:
        raise AnswersError(f"{file.name}: is no key of a listening page: {error}") from None


def read_answers(files: Sequence[Path], key_file: Path) -> Answers:
    """All answers of `files`, un-blinded. Raises AnswersError for a file or key that cannot be read at all."""
    key = read_key(key_file)
    answers = Answers(key.test)
    given: set[tuple[str, str, str]] = set()
    for file in files:
        for line, row in _rows(file):
            where = f"{file.name}, line {line}"
            try:
                _take(answers, key, row, given, where)
            except ValueError as error:
                answers.faults.append(f"{where}: {error}")
    return answers


def _rows(file: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise AnswersError(
                    f"{file.name}: its columns are not {', '.join(COLUMNS)}; is it what the page exported?"
                )
            return [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise AnswersError(f"{file}: no such file of answers") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise AnswersError(f"{file.name}: not valid CSV: {error}") from None


def _take(answers: Answers, key: Key, row: dict[str, str], given: set[tuple[str, str, str]], where: str) -> None:
    """Add one row to `answers`. Raises ValueError for one that is wrong."""
    if None in row or None in row.values():
        raise ValueError("has more or fewer cells than there are columns")
    if row["test"] != key.test:
        raise ValueError(f"is an answer to test {row['test']!r}; the key is of {key.test}")
    if not _LISTENER.fullmatch(row["listener"]):
        raise ValueError(f"{row['listener'][:40]!r} is no listener's name that the page allows")
    clips = _clips(key, row)
    # A person's name has no place in the tables.
    listener = hashlib.sha256(f"{key.test}/{row['listener']}".encode()).hexdigest()[:8]
    which = (listener, row["task"], row["item"])
    if which in given:
        raise ValueError(f"the same listener answers {row['item']} a second time; the first answer stands")
    if row["task"] == "mos":
        if row["answer"] not in ("1", "2", "3", "4", "5"):
            raise ValueError(f"the score {row['answer']!r} is none from 1 to 5")
        answer: Rating | Preference = Rating(listener, key.clips[row["item"]], int(row["answer"]))
    else:
        if row["answer"] not in clips:
            raise ValueError(f"the answer {row['answer']!r} is neither of the two clips")
        chosen = clips.index(row["answer"])
        answer = Preference(listener, key.clips[clips[chosen]], key.clips[clips[1 - chosen]])
    given.add(which)
    if _heard(row) < HEARD_SHARE * sum(key.clips[clip].seconds for clip in clips):
        answers.too_fast.append(f"{where}: {row['item']} was heard for {row['heard_s']} s only")
    elif isinstance(answer, Rating):
        answers.ratings.append(answer)
    else:
        answers.preferences.append(answer)


def _clips(key: Key, row: dict[str, str]) -> tuple[str, ...]:
    """The clips that a row is about, in the order they were offered."""
    offered = tuple(filter(None, (row["first"], row["second"])))
    if row["task"] == "mos" and row["item"] in key.clips and offered == (row["item"],):
        return offered
    if row["task"] == "ab" and row["item"] in key.pairs and sorted(offered) == sorted(key.pairs[row["item"]]):
        return offered
    raise ValueError(f"{row['task']!r} of {row['item']!r} with {', '.join(offered) or 'nothing'}: not in the key")


def _heard(row: dict[str, str]) -> float:
    if not re.fullmatch(r"\d{1,6}(\.\d+)?", row["heard_s"]):
        raise ValueError(f"heard_s is {row['heard_s']!r}, no number of seconds")
    return float(row["heard_s"])
