"""Asks before a voice is copied: ties a reference to a consent or an own-voice declaration and logs on what ground."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.lake.files import file_sha256
from pipeline.landing_zone import Metadata
from pipeline.rights import audit
from pipeline.rights.consents import CONSENTS_FILE, CloningRefused, allow_cloning, read_consents
from pipeline.rights.tombstones import Withdrawn, sound_sha256s
from pipeline.settings import Settings


def permit(settings: Settings, references: Sequence[Path], consent_id: str | None, own_voice: str | None) -> list[str]:
    """The ground for each reference, once it is in the audit log with the reference's hash.

    Raises CloningRefused when nobody allowed it or the reference was withdrawn, OSError for a file that cannot be read,
    audit.AuditBroken when it cannot be logged.
    """
    consents, _ = read_consents(settings.landing / CONSENTS_FILE)
    metadata, withdrawn = Metadata(settings.landing), Withdrawn(settings.lake)
    landing = settings.landing.resolve()
    grounds = []
    for reference in references:
        digest = file_sha256(reference)
        gone = withdrawn.why(digest, *sound_sha256s(reference))
        if gone:
            raise CloningRefused(f"{reference} {gone}")
        here = reference.resolve()
        source = here.relative_to(landing).as_posix() if here.is_relative_to(landing) else None
        facts = metadata.of(source) if source else {}
        grounds.append((digest, allow_cloning(consents, consent_id, own_voice, source, facts)))
    for digest, ground in grounds:
        details = {"reference_sha256": digest, "ground": ground, "own_voice": own_voice}
        audit.append(settings.root, "voice.clone", consent_id or "own voice", details)
    return [ground for _, ground in grounds]
