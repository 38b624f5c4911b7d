"""What consents and tombstones say at this moment about recordings of the corpus: read once, asked for each recording.

A run reads them again before each stage, so that what was revoked or withdrawn meanwhile goes no further.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.rights import tombstones
from pipeline.rights.consents import CONSENTS_FILE, Consent, read_consents, resolve
from pipeline.settings import Settings
from pipeline.stage import Permission

CORPUS_SCOPE = "asr"
"""The use that a recording must be allowed for to be worked on at all."""


@dataclass(frozen=True)
class CurrentRights:
    """The consents, whether one is required, and the SHA-256 of files and audio withdrawn as a whole and in part."""

    consents: Sequence[Consent]
    whole: frozenset[str]
    in_part: frozenset[str]
    required: bool
    today: date

    @classmethod
    def read(cls, settings: Settings) -> CurrentRights:
        """As consents.jsonl and the table tombstones are now."""
        consents, _ = read_consents(settings.landing / CONSENTS_FILE)
        rows = Lake(settings.lake).rows(tombstones.TABLE)
        whole = frozenset(tombstones.reasons(row for row in rows if row["extent"] == "whole"))
        in_part = frozenset(tombstones.reasons(rows)) - whole
        return cls(consents, whole, in_part, settings.ingest.require_consent, date.today())

    def permission(self, source: str, metadata: Mapping[str, str]) -> Permission:
        """Which consent covers a landed file, or why none does."""
        return Permission(*resolve(self.consents, source, metadata, CORPUS_SCOPE, self.today))

    def refusal(self, recording: Row) -> str | None:
        """Why a recording (a row of table recordings) may be used no longer: `withdrawn`, `no_consent`; None: it may.

        What stands of one that was withdrawn in part stays while the consent that it came under holds: the takedown
        took the names out of its metadata.
        """
        hashes = {recording["file_sha256"], recording["audio_sha256"]}
        if hashes & self.whole:
            return "withdrawn"
        if hashes & self.in_part:
            return None if self.holds(recording["consent_id"]) else "no_consent"
        if not self.required or self.permission(recording["source"], recording["metadata"]).consent_id:
            return None
        return "no_consent"

    def holds(self, consent_id: str | None) -> bool:
        """True if the consent with this id allows the corpus today, or none is required."""
        found = (one for one in self.consents if one.consent_id == consent_id)
        return not self.required or any(one.refusal(CORPUS_SCOPE, self.today) is None for one in found)
