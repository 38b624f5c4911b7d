"""Asks before a voice is copied: ties a reference to a consent or an own-voice declaration and logs on what ground."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pipeline.lake.files import file_sha256
from pipeline.lake.lake import Lake
from pipeline.rights import audit
from pipeline.rights.consent import Consent
from pipeline.rights.consents import CONSENTS_FILE, METADATA_PROBLEM, read_consents
from pipeline.rights.patterns import composed
from pipeline.rights.tombstones import Withdrawn, sound_sha256s
from pipeline.settings import Settings


class CloningRefused(Exception):
    """Nobody allowed this voice to be copied; the message says what to do."""


@dataclass(frozen=True)
class Reference:
    """A clip of the voice to copy; `source` is its path below landing, None if it lies elsewhere."""

    file: Path
    source: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def permit(
    settings: Settings, references: Sequence[Reference], consent_id: str | None, own_voice: str | None
) -> list[str]:
    """The ground for each reference, once it is in the audit log with the reference's hash.

    A copy of a recording that was ingested counts as that recording, wherever it lies. Raises CloningRefused when
    nobody allowed it or the reference was withdrawn, OSError for a file that cannot be read, audit.AuditBroken when it
    cannot be logged.
    """
    consents, _ = read_consents(settings.landing / CONSENTS_FILE)
    withdrawn = Withdrawn(settings.lake)
    grounds = []
    for reference in references:
        digest = file_sha256(reference.file)
        hashes = {digest, *sound_sha256s(reference.file)}
        gone = withdrawn.why(*hashes)
        if gone:
            raise CloningRefused(f"{reference.file} {gone}")
        copied = [] if reference.source else _ingested(settings, reference, hashes)
        for one in copied or [reference]:
            grounds.append((digest, allow_cloning(consents, consent_id, own_voice, one.source, one.metadata)))
    for digest, ground in dict.fromkeys(grounds):
        details = {"reference_sha256": digest, "ground": ground, "own_voice": own_voice}
        audit.append(settings.root, "voice.clone", consent_id or "own voice", details)
    return [ground for _, ground in grounds]


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
    metadata = metadata or {}
    if metadata.get(METADATA_PROBLEM):
        raise CloningRefused(f"the metadata of {source} cannot be read: {metadata[METADATA_PROBLEM]}")
    if own_voice is not None and own_voice.strip():
        return _own(own_voice.strip(), source, metadata)
    if not consent_id:
        raise CloningRefused(
            "copying a voice needs the consent of the person it belongs to: give --consent ID with the scope "
            'voice_cloning (`fangyan consent add`), or --own-voice "NAME" if it is your own voice; both are logged'
        )
    consent = next((one for one in consents if composed(one.consent_id) == composed(consent_id)), None)
    if consent is None:
        raise CloningRefused(f"there is no consent {consent_id} in {CONSENTS_FILE}; `fangyan consent list` shows them")
    refusal = consent.refusal("voice_cloning", on or date.today())
    if refusal:
        raise CloningRefused(f"{refusal}; ask the person, then `fangyan consent add` with --scope voice_cloning")
    if source is not None:
        named = composed(metadata.get("consent_id", "")) == composed(consent_id)
        elsewhere = consent.excludes(source, metadata)
        if elsewhere is not None or not (named or consent.covers(source, metadata)):
            words = elsewhere or "the recordings whose metadata name it"
            raise CloningRefused(f"{source} is not covered by consent {consent_id}, which is for {words}")
    return f"consent {consent_id} allows voice_cloning"


def _own(name: str, source: str | None, metadata: Mapping[str, str]) -> str:
    """The ground of an own-voice declaration, which metadata that name somebody else contradict."""
    speaker = composed(metadata.get("speaker", ""))
    if speaker and speaker != composed(name):
        raise CloningRefused(
            f"{source} is not the voice of {name} alone: its metadata name the speaker {speaker}; "
            "give --consent ID with the scope voice_cloning"
        )
    return f"{name} declares the voice to be their own"


def _ingested(settings: Settings, reference: Reference, hashes: set[str]) -> list[Reference]:
    """The recordings with one of these hashes of bytes or sound, of which the reference is a copy."""
    columns = ("source", "status", "file_sha256", "audio_sha256", "metadata")
    return [
        Reference(reference.file, row["source"], row["metadata"])
        for row in Lake(settings.lake).rows("recordings", None, columns)
        if row["status"] != "duplicate" and hashes & {row["file_sha256"], row["audio_sha256"]}
    ]
