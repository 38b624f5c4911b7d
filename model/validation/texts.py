"""Which texts a dialect's voices are asked to say: the project's prompts, or those that lie in the workspace.

A workspace's own texts are `prompts/<dialect>.jsonl`, one object a line: id, category, text and, where known, readings.
The demo puts the studio's sentences there, since the embedded voice knows no other characters.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from model.validation import prompts
from model.validation.prompts import PromptError
from pipeline.lake.files import replace_bytes

LONG = "long"
_TAG = re.compile(r"\[[^\]]*\]")
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*")
_KEYS = {"id", "category", "text", "readings"}


@dataclass(frozen=True)
class Text:
    """One text to speak. `readings` are those of its spoken characters, separated by spaces; None where unknown."""

    prompt_id: str
    category: str
    text: str
    readings: str | None = None

    @property
    def long(self) -> bool:
        """Over a minute of speech: it is for drift, not for the other figures."""
        return self.category == LONG

    @property
    def heard(self) -> str:
        """What should be heard: the text without control tags."""
        return " ".join(_TAG.sub("", self.text).split())


def read_texts(workspace: Path, dialect: str) -> list[Text]:
    """The texts of a dialect, the workspace's own first. Raises PromptError, UnknownDialectError."""
    own = workspace / "prompts" / f"{dialect}.jsonl"
    if own.exists():
        return _read(own)
    return [Text(prompt.id, prompt.category, prompt.text) for prompt in prompts.load(dialect).items]


def write_texts(workspace: Path, dialect: str, texts: list[Text]) -> Path:
    """Make `texts` the workspace's own for the dialect."""
    file = workspace / "prompts" / f"{dialect}.jsonl"
    facts = [
        {"id": text.prompt_id, "category": text.category, "text": text.text, "readings": text.readings}
        for text in texts
    ]
    replace_bytes(file, "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in facts).encode())
    return file


def _read(file: Path) -> list[Text]:
    texts, faults = [], []
    # Not splitlines, which would cut a text at the Unicode line separators that JSON leaves as they are.
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            texts.append(_text(json.loads(line)))
        except ValueError as error:
            faults.append(f"{file}, line {number}: {error}")
    seen: set[str] = set()
    for text in texts:
        if text.prompt_id in seen:
            faults.append(f"{file}: id {text.prompt_id!r} stands twice")
        seen.add(text.prompt_id)
    if faults or not texts:
        raise PromptError("\n".join(faults) or f"{file}: has no texts; write some or remove it")
    return texts


def _text(values: object) -> Text:
    if not isinstance(values, dict) or not values.keys() <= _KEYS or not {"id", "text"} <= values.keys():
        raise ValueError(f"is no object with id, text and perhaps {', '.join(sorted(_KEYS - {'id', 'text'}))}")
    for key, value in values.items():
        if not isinstance(value, str) and not (key == "readings" and value is None):
            raise ValueError(f"{key} must be a text, is {value!r}")
    if not _ID.fullmatch(values["id"]) or not values["text"].strip():
        raise ValueError(f"id {values['id']!r} must be letters, digits, - and _, and there must be a text")
    return Text(values["id"], values.get("category") or "everyday", values["text"], values.get("readings"))
