"""Who agreed to what: reads landing/consents.jsonl and says which consent, if any, covers a recording for a use.

Default deny: what no valid consent covers may not be used, and a line that cannot be read covers nothing. Also which
voices may be cloned, and that a model whose data were withdrawn is not used.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipeline.lake.rows import Row

CONSENTS_FILE = "consents.jsonl"
Scope = Literal["asr", "tts_training", "voice_cloning", "commercial", "publication"]
TAINTED = "tainted"
_CARD_REACH = 4


class CloningRefused(Exception):
    """Nobody allowed this voice to be copied; the message says what to do."""


class TaintedModel(Exception):
    """The model learned from what was withdrawn since; the message says what to do."""


class Consent(BaseModel):
    """One line of consents.jsonl; the first and last day may be written `from` and `until` there.

    `recordings` are patterns of sources below landing: `*` and `?` stay within a folder, `**` spans folders. A consent
    with a `speaker` covers the recordings whose metadata column `speaker` holds that name and no other; with both, both
    must hold. One with neither covers the recordings whose metadata name it. One that was ever revoked covers nothing.
    """

    # An unknown key is refused: a misspelt `until` or `revoked` must not widen what somebody agreed to.
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    consent_id: str = Field(min_length=1)
    subject: str | None = None
    recordings: tuple[str, ...] = ()
    speaker: str | None = Field(None, min_length=1)
    scopes: tuple[Scope, ...]
    valid_from: date | None = Field(None, alias="from")
    valid_until: date | None = Field(None, alias="until")
    evidence: str | None = None
    evidence_sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$")
    revoked: date | None = None

    @field_validator("speaker")
    @classmethod
    def _names_somebody(cls, speaker: str | None) -> str | None:
        # A blank one would equal the name that recordings without metadata have.
        if speaker is not None and not composed(speaker):
            raise ValueError("a speaker's name must not be blank")
        return speaker

    def refusal(self, scope: str, on: date) -> str | None:
        """Why it does not allow `scope` on that day, or None if it does."""
        if self.revoked is not None:
            return f"consent {self.consent_id} was revoked on {self.revoked}"
        if scope not in self.scopes:
            return f"consent {self.consent_id} is for {', '.join(self.scopes) or 'nothing'}, not for {scope}"
        if self.valid_from is not None and on < self.valid_from:
            return f"consent {self.consent_id} begins on {self.valid_from}"
        if self.valid_until is not None and on > self.valid_until:
            return f"consent {self.consent_id} ended on {self.valid_until}"
        return None

    def names(self, source: str) -> bool:
        """True if one of its patterns matches `source`."""
        return any(matches(pattern, source) for pattern in self.recordings)

    def excludes(self, source: str, metadata: Mapping[str, str]) -> str | None:
        """What it is for instead, if its patterns or its speaker leave this recording out; None if they do not."""
        if self.recordings and not self.names(source):
            return ", ".join(self.recordings)
        if self.speaker is not None and composed(metadata.get("speaker", "")) != composed(self.speaker):
            return f"recordings of {self.speaker} alone"
        return None

    def covers(self, source: str, metadata: Mapping[str, str]) -> bool:
        """True if its patterns and its speaker, of which it has one at least, take this recording in."""
        return bool(self.recordings or self.speaker) and self.excludes(source, metadata) is None

    def row(self) -> Row:
        """Its row of the table `consents`."""
        return self.model_dump(mode="json", by_alias=False)


def read_consents(file: Path) -> tuple[list[Consent], list[str]]:
    """The consents of a JSON Lines file, and a sentence with file and line number for each line that is wrong.

    A later line about the same consent_id takes the place of the earlier one; if it is wrong, neither holds. A missing
    file holds no consents.
    """
    try:
        lines = file.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [f"{file.name}: cannot be read: {error.strerror}; until then nobody has agreed to anything"]
    consents: dict[str, Consent] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        values: Any = None
        try:
            values = json.loads(line)
            consent = Consent.model_validate(values)
            consents.pop(consent.consent_id, None)
            consents[consent.consent_id] = consent
        except (ValueError, RecursionError) as error:
            problems.append(f"{file.name}, line {number}: {explain(error)}; until it is mended it covers nothing")
            if isinstance(values, dict):
                consents.pop(str(values.get("consent_id")), None)
    return list(consents.values()), problems


def resolve(
    consents: Iterable[Consent], source: str, metadata: Mapping[str, str], scope: str = "asr", on: date | None = None
) -> tuple[str | None, str]:
    """The id of the consent that covers `source` for `scope` on a day (today), or None, and why.

    A consent that the metadata name as `consent_id` is the only one asked. Otherwise the first of those whose patterns
    or speaker match and that allow it.
    """
    on = on or date.today()
    named = metadata.get("consent_id", "").strip()
    if named:
        consent = next((one for one in consents if one.consent_id == named), None)
        if consent is None:
            return None, f"its metadata name consent {named}, which is not in {CONSENTS_FILE}"
        elsewhere = consent.excludes(source, metadata)
        if elsewhere is not None:
            return None, f"its metadata name consent {named}, which is for {elsewhere}"
        refusal = consent.refusal(scope, on)
        return (None, refusal) if refusal else (named, f"named in its metadata, allows {scope}")
    refusals = []
    for consent in consents:
        if not consent.covers(source, metadata):
            continue
        refusal = consent.refusal(scope, on)
        if refusal is None:
            return consent.consent_id, f"matches consent {consent.consent_id}, which allows {scope}"
        refusals.append(refusal)
    return None, "; ".join(refusals) or f"no consent in {CONSENTS_FILE} covers it"


def allow_cloning(
    consents: Iterable[Consent],
    consent_id: str | None,
    own_voice: str | None,
    source: str | None = None,
    metadata: Mapping[str, str] | None = None,
    on: date | None = None,
) -> str:
    """On what ground a voice may be copied: a consent with scope voice_cloning, or a name that claims it as its own.

    `source` is the reference's path below landing, None if it lies elsewhere: then nothing ties it to the consent but
    the word of the one who names it. Raises CloningRefused.
    """
    if consent_id and own_voice:
        raise CloningRefused("give a consent or an own-voice declaration, not both")
    if own_voice is not None and own_voice.strip():
        return f"{own_voice.strip()} declares the voice to be their own"
    if not consent_id:
        raise CloningRefused(
            "copying a voice needs the consent of the person it belongs to: give --consent ID with the scope "
            'voice_cloning (`fangyan consent add`), or --own-voice "NAME" if it is your own voice; both are logged'
        )
    consent = next((one for one in consents if one.consent_id == consent_id), None)
    if consent is None:
        raise CloningRefused(f"there is no consent {consent_id} in {CONSENTS_FILE}; `fangyan consent list` shows them")
    refusal = consent.refusal("voice_cloning", on or date.today())
    if refusal:
        raise CloningRefused(f"{refusal}; ask the person, then `fangyan consent add` with --scope voice_cloning")
    if source is not None:
        named = (metadata or {}).get("consent_id", "").strip() == consent_id
        elsewhere = consent.excludes(source, metadata or {})
        if elsewhere is not None or not (named or consent.covers(source, metadata or {})):
            words = elsewhere or "the recordings whose metadata name it"
            raise CloningRefused(f"{source} is not covered by consent {consent_id}, which is for {words}")
    return f"consent {consent_id} allows voice_cloning"


def refuse_tainted(folder: Path, allow: bool = False) -> None:
    """Raises TaintedModel if the card of the model in `folder` says that it is tainted, unless that is allowed.

    The card may lie some folders above, beside all checkpoints of a training, also where a link leads. A folder
    without a card, or a name that is no folder, has no such mark. A card that cannot be read is no proof of innocence:
    it is refused too.
    """
    if allow:
        return
    places = [[place, *place.parents][:_CARD_REACH] for place in (folder.absolute(), folder.resolve())]
    for card in dict.fromkeys(place / "card.json" for place in chain(*places)):
        if not card.is_file():
            continue
        try:
            facts = json.loads(card.read_bytes())
        except (OSError, ValueError) as error:
            raise TaintedModel(f"{card}: cannot be read ({error}), so nobody knows whether it may be used") from None
        if isinstance(facts, dict) and facts.get("status") == TAINTED:
            why = facts.get("status_reason") or "what it learned from was withdrawn"
            raise TaintedModel(f"{folder} is tainted: {why}; train it anew, or give --allow-tainted if you may use it")


def matches(pattern: str, source: str) -> bool:
    """True if `pattern` is `source` or, as a glob, covers it; `**` stands for any number of folders."""
    pattern, source = unicodedata.normalize("NFC", pattern), unicodedata.normalize("NFC", source)
    return pattern == source or _covers(pattern.split("/"), source.split("/"))


def composed(text: str) -> str:
    """A name as it is compared: macOS writes names of files in another Unicode form than people type."""
    return unicodedata.normalize("NFC", text).strip()


def _covers(pattern: list[str], parts: list[str]) -> bool:
    if not pattern or not parts:
        return not pattern and not parts
    if pattern[0] != "**":
        return fnmatchcase(parts[0], pattern[0]) and _covers(pattern[1:], parts[1:])
    if len(pattern) == 1:
        return True
    return any(_covers(pattern[1:], parts[skipped:]) for skipped in range(len(parts)))


def explain(error: Exception) -> str:
    """What is wrong with a line or with a consent's values, key by key."""
    if not isinstance(error, ValidationError):
        return f"not valid JSON: {error}"
    problems = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        allowed = f" (known keys: {', '.join(_KEYS)})" if problem["type"] == "extra_forbidden" else ""
        problems.append(f"{key or 'the line'} = {problem['input']!r}: {problem['msg']}{allowed}")
    return "; ".join(problems)


_KEYS = [field.alias or name for name, field in Consent.model_fields.items()]
