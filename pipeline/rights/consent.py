"""One consent: a line of consents.jsonl, what it covers and what it allows on a day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipeline.lake.rows import Row
from pipeline.rights.patterns import composed, matches

Scope = Literal["asr", "tts_training", "voice_cloning", "commercial", "publication"]
_DRIVE = re.compile("[A-Za-z]:")


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

    @field_validator("consent_id")
    @classmethod
    def _has_a_name(cls, consent_id: str) -> str:
        # A blank one would equal what recordings have whose metadata name no consent.
        if not composed(consent_id):
            raise ValueError("a consent_id must not be blank")
        return consent_id

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

    def evidence_flaw(self) -> str | None:
        """Why its evidence is not looked at, with what to do; None if it is a path below landing, or there is none."""
        path = PurePosixPath((self.evidence or "").replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or _DRIVE.match(str(path)):
            return f"evidence {self.evidence} lies outside of the landing folder and is not read; copy it below it"
        return None

    def row(self) -> Row:
        """Its row of the table `consents`."""
        days = {"valid_from": self.valid_from, "valid_until": self.valid_until, "revoked": self.revoked}
        return self.model_dump(mode="json", by_alias=False) | days


def explain(error: Exception) -> str:
    """What is wrong with a line or with a consent's values, key by key."""
    if not isinstance(error, ValidationError):
        return str(error)
    problems = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        allowed = f" (known keys: {', '.join(_KEYS)})" if problem["type"] == "extra_forbidden" else ""
        problems.append(f"{key or 'the line'} = {problem['input']!r}: {problem['msg']}{allowed}")
    return "; ".join(problems)


_KEYS = [field.alias or name for name, field in Consent.model_fields.items()]
