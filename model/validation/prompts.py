"""The validation texts in prompts/: one YAML file a dialect, written for this project, read and checked here.

A text says what is to be spoken and nothing else: numbers in characters, no curly quotes, tags only where they are the
point. How near two texts may come to each other is checked within a file and across all of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.voxcpm2 import text as voxcpm_text
from pipeline.project import PROJECT
from pipeline.text import dialects, hanzi
from pipeline.text.script import folded

FOLDER = PROJECT / "prompts"
Category = Literal[
    "everyday",
    "numbers",
    "tone_sandhi",
    "tongue_twisters",
    "questions",
    "control_tags",
    "code_switching",
    "long",
]
MINIMUM: dict[str, int] = {
    "everyday": 20,
    "numbers": 10,
    "tone_sandhi": 10,
    "tongue_twisters": 6,
    "questions": 10,
    "control_tags": 8,
    "code_switching": 8,
    "long": 2,
}
"""Fewest texts of a category in a file; `MINIMUM_TOTAL` is the fewest of all together."""
MINIMUM_TOTAL = 100
LONG_CHARACTERS = 300
"""Fewest spoken characters of a long text, over a minute of speech; any other text has at most `SHORT_CHARACTERS`."""
SHORT_CHARACTERS = 80
SIMILARITY = 0.8
"""Two texts nearer than this (share of characters in common order, 0..1) are one text too many."""
CHARACTERS_PER_SECOND = 4.5
_SECONDS_PER_WORD = 0.4

_PUNCTUATION = "，。？！、：；"
_TAG = re.compile(r"\[([^\]]*)\]")
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")


class PromptError(ValueError):
    """A file of texts is missing or wrong; the message has a line for each fault with file, item and key."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Prompt(_Strict):
    """One text. `note` tells a listener what it puts to the test (the sandhi, for example)."""

    id: str = Field(pattern=r"^[a-z]+(-[a-z_]+)+-\d{2,3}$")
    category: Category
    text: str = Field(min_length=2)
    note: str = ""

    @property
    def spoken(self) -> str:
        """The text without tags and punctuation, in lower case: what two texts are compared by."""
        bare = unicodedata.normalize("NFKC", _TAG.sub("", self.text)).casefold()
        return "".join(character for character in bare if character.isalnum())

    @property
    def expected_seconds(self) -> float:
        """About how long it takes to say, in seconds, at 4.5 characters a second."""
        words = _WORD.findall(_TAG.sub("", self.text))
        return hanzi.count(self.text) / CHARACTERS_PER_SECOND + len(words) * _SECONDS_PER_WORD


class PromptFile(_Strict):
    """The texts of one dialect and who may use them."""

    version: Literal[1]
    dialect: str
    who_may_use: str = Field(min_length=10)
    author_note: str = Field(min_length=10)
    items: list[Prompt]

    def of(self, *categories: Category) -> list[Prompt]:
        """The texts of the categories, in their order in the file."""
        return [prompt for prompt in self.items if prompt.category in categories]


def load(dialect: str) -> PromptFile:
    """The checked texts of a dialect. Raises PromptError, or UnknownDialectError for a code nobody knows."""
    return read(FOLDER / f"{dialects.get(dialect).code}.yaml")


@cache
def load_all(folder: Path = FOLDER) -> dict[str, PromptFile]:
    """Every file of `folder` by dialect, also checked against each other. Raises PromptError with all faults."""
    files, faults = {}, []
    for path in sorted(folder.glob("*.yaml")):
        try:
            found = read(path)
            files[found.dialect] = found
        except PromptError as error:
            faults.append(str(error))
    if not files and not faults:
        raise PromptError(f"{folder}: no *.yaml with texts in it")
    everything = [(f"{code}.yaml", prompt) for code, found in files.items() for prompt in found.items]
    faults += _too_near(everything, across=True)
    if faults:
        raise PromptError("\n".join(faults))
    return files


def read(path: Path) -> PromptFile:
    """One file, checked on its own. Raises PromptError with a line for each fault."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml"))) or "none"
        raise PromptError(f"{path}: no such file of texts; there are texts for {known}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PromptError(f"{path.name}: not valid YAML: {error}") from None
    try:
        found = PromptFile.model_validate(values)
    except ValidationError as error:
        raise PromptError("\n".join(_explain(path, values, fault) for fault in error.errors())) from None
    faults = [*_head_faults(path, found), *(f for prompt in found.items for f in _item_faults(path, found, prompt))]
    faults += _too_near([(path.name, prompt) for prompt in found.items], across=False)
    if faults:
        raise PromptError("\n".join(faults))
    return found


def counts(files: dict[str, PromptFile]) -> dict[str, Counter[str]]:
    """Number of texts by dialect and category."""
    return {code: Counter(prompt.category for prompt in found.items) for code, found in files.items()}


class _Loader(yaml.SafeLoader):
    """YAML in which a key may stand once: of two, the first would be lost without a word."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [key for key, count in Counter(map(str, keys)).items() if count > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"key {twice[0]!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _head_faults(path: Path, found: PromptFile) -> list[str]:
    faults = []
    dialect = dialects.REGISTRY.get(found.dialect)
    if dialect is None or dialect.script != "hanzi":
        chinese = ", ".join(code for code, each in dialects.REGISTRY.items() if each.script == "hanzi")
        faults.append(f"{path.name}: dialect: {found.dialect!r} is none of {chinese}")
    if path.stem != found.dialect:
        faults.append(f"{path.name}: dialect: {found.dialect!r} should be the file's name, {path.stem!r}")
    for id_, count in Counter(prompt.id for prompt in found.items).items():
        if count > 1:
            faults.append(f"{path.name}: {id_}: id: stands {count} times")
    have = Counter(prompt.category for prompt in found.items)
    for category, least in MINIMUM.items():
        if have[category] < least:
            faults.append(f"{path.name}: items: {have[category]} texts of {category}, at least {least} are needed")
    if len(found.items) < MINIMUM_TOTAL:
        faults.append(f"{path.name}: items: {len(found.items)} texts, at least {MINIMUM_TOTAL} are needed")
    return faults


def _item_faults(path: Path, found: PromptFile, prompt: Prompt) -> list[str]:
    faults: list[str] = []
    wanted = f"{found.dialect}-{prompt.category}-"
    if not prompt.id.startswith(wanted):
        faults.append(f"id: should begin with {wanted}")
    known = dialects.REGISTRY.get(found.dialect)
    traditional = known is not None and known.traditional
    faults += [f"text: {complaint}" for complaint in _text_faults(prompt, traditional)]
    return [f"{path.name}: {prompt.id}: {fault}" for fault in faults]


def _text_faults(prompt: Prompt, traditional: bool) -> list[str]:
    faults = []
    tags = _TAG.findall(prompt.text)
    for tag in tags:
        if tag not in voxcpm_text.TAGS:
            complaints = voxcpm_text.check_tags(f"[{tag}]") or [f"[{tag}] is no control tag"]
            faults += complaints
    if bool(tags) != (prompt.category == "control_tags"):
        faults.append("a tag belongs into every text of control_tags and into no other")
    bare = _TAG.sub("", prompt.text)
    latin = bool(_WORD.search(bare))
    allowed = set(_PUNCTUATION) | (set(" '-") if latin else set())
    for character in dict.fromkeys(bare):
        fault = _character_fault(character, allowed, traditional)
        faults += [fault] if fault else []
    if latin and prompt.category not in ("code_switching", "control_tags"):
        faults.append("Latin letters belong into code_switching")
    length = hanzi.count(bare)
    if prompt.category == "long" and length < LONG_CHARACTERS:
        faults.append(f"{length} characters; a long text has at least {LONG_CHARACTERS}")
    if prompt.category != "long" and length > SHORT_CHARACTERS:
        faults.append(f"{length} characters; only a long text has more than {SHORT_CHARACTERS}")
    return faults


def _character_fault(character: str, allowed: set[str], traditional: bool) -> str:
    if character in allowed or _WORD.fullmatch(character):
        return ""
    if character.isdigit():
        return f"{character!r}: write numbers in characters as they are said"
    if not hanzi.is_hanzi(character):
        return f"{character!r}: allowed beside characters are {_PUNCTUATION}"
    if hanzi.belongs_to_other_script(character, traditional):
        script = "simplified" if traditional else "traditional"
        return f"{character!r} is the {script} script; this dialect has the other"
    return ""


def _too_near(items: Sequence[tuple[str, Prompt]], across: bool) -> list[str]:
    """A line for each pair of texts that are equal or nearly so; `across`: of different files only."""
    import numpy as np
    from rapidfuzz import fuzz, process

    spoken = [folded(prompt.spoken) for _, prompt in items]
    scores = process.cdist(spoken, spoken, scorer=fuzz.ratio, score_cutoff=SIMILARITY * 100, dtype=np.uint8)
    faults = []
    for first, second in zip(*np.nonzero(np.triu(scores, 1)), strict=True):
        (file, one), (other_file, other) = items[first], items[second]
        if across and file == other_file:
            continue
        share = fuzz.ratio(spoken[first], spoken[second]) / 100
        alike = "equal" if share == 1 else f"{share:.0%} alike"
        faults.append(f"{other_file}: {other.id}: text: {alike} to {one.id} of {file}")
    return faults


def _explain(path: Path, values: Any, fault: Any) -> str:
    """A fault that pydantic found, with the item's id in place of its number where it has one."""
    place = list(fault["loc"])
    if len(place) > 1 and place[0] == "items":
        item = values["items"][place[1]]
        name = item.get("id") if isinstance(item, dict) else None
        place[:2] = [str(name or f"item {place[1] + 1}")]
    allowed = f"; allowed are {', '.join(get_args(Category))}" if place[-1:] == ["category"] else ""
    return f"{path.name}: {': '.join(map(str, place)) or 'the file'}: {fault['msg']}{allowed}"
