"""Adds to landing/consents.jsonl and revokes in it: a line is added, none is changed, and the audit log is told.

What a consent means is in consent.py; taking down what a revoked one allowed is in pipeline/takedown.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.lake.files import file_sha256, replace_bytes
from pipeline.lake.storage import append_line
from pipeline.rights import audit
from pipeline.rights.consent import Consent, explain
from pipeline.rights.consents import CONSENTS_FILE, read_consents, unreadable_ids
from pipeline.rights.patterns import composed, matches, pattern_flaw
from pipeline.settings import Settings
from pipeline.text.strict_json import text_flaw

_EVIDENCE_FOLDER = "consents"


class ConsentError(Exception):
    """The consent cannot be added or revoked; the message says why and what to do."""


def add(settings: Settings, values: dict[str, Any], evidence: Path | None = None) -> Consent:
    """Add a consent; its evidence is copied to landing/consents unless it lies below landing, and hashed.

    Raises ConsentError for values that do not fit, an id that is taken and evidence that cannot be read, and
    audit.AuditBroken.
    """
    wrong = next((f"{key} has {flaw}" for key, value in values.items() for flaw in _flaws(value)), None)
    if wrong:
        raise ConsentError(wrong)
    try:
        consent = Consent.model_validate({key: value for key, value in values.items() if value is not None})
    except ValidationError as error:
        raise ConsentError(explain(error)) from None
    if not consent.scopes:
        raise ConsentError("a consent needs at least one --scope; without one it would allow nothing")
    if consent.valid_from and consent.valid_until and consent.valid_until < consent.valid_from:
        raise ConsentError(f"it would end on {consent.valid_until}, before it begins on {consent.valid_from}")
    if any(composed(one.consent_id) == composed(consent.consent_id) for one in _read(settings)):
        raise ConsentError(f"consent {consent.consent_id} exists already; a new agreement takes a new id")
    if composed(consent.consent_id) in unreadable_ids(settings.landing / CONSENTS_FILE):
        words = f"a line about consent {consent.consent_id} in {settings.landing / CONSENTS_FILE} cannot be read"
        raise ConsentError(f"{words}, and may revoke it: mend that line first, `fangyan consent list` says which")
    if evidence is not None:
        source, digest = _keep(settings.landing, consent.consent_id, evidence)
        consent = consent.model_copy(update={"evidence": source, "evidence_sha256": digest})
    # What widens rights is logged before it holds, what narrows them holds before it is logged.
    audit.append(settings.root, "consent.add", consent.consent_id, _as_line(consent))
    _append(settings, consent)
    return consent


def revoke(settings: Settings, consent_id: str, reason: str = "") -> Consent:
    """Write down that a consent is withdrawn from today; it covers nothing from then on. Raises ConsentError."""
    consent = find(settings, consent_id)
    if consent.revoked is not None:
        raise ConsentError(f"consent {consent_id} was revoked on {consent.revoked} already")
    consent = consent.model_copy(update={"revoked": datetime.now(UTC).date()})
    _append(settings, consent)
    audit.append(settings.root, "consent.revoke", consent_id, {"revoked": str(consent.revoked), "reason": reason})
    return consent


def find(settings: Settings, consent_id: str) -> Consent:
    """Raises ConsentError if there is none of this id."""
    consent = next((one for one in _read(settings) if composed(one.consent_id) == composed(consent_id)), None)
    if consent is None:
        raise ConsentError(
            f"there is no consent {consent_id} in {settings.landing / CONSENTS_FILE}; `fangyan consent list` shows them"
        )
    return consent


def warnings(consent: Consent, sources: Collection[str]) -> list[str]:
    """What a new consent says that is likely a slip: patterns that match none of the landed `sources`."""
    flaws = [pattern_flaw(pattern) for pattern in consent.recordings]
    found = [flaw for flaw in flaws if flaw]
    for pattern, flaw in zip(consent.recordings, flaws, strict=True):
        if flaw is None and not any(matches(pattern, source) for source in sources):
            found.append(f'"{pattern}" matches no file that has landed; paths are counted from the landing folder')
    return found


def check_evidence(settings: Settings, consent: Consent) -> str | None:
    """What is wrong with the evidence of a consent, or None: it is there and has the hash that was written down."""
    if consent.evidence is None:
        return "there is no evidence"
    outside = consent.evidence_flaw()
    if outside:
        return outside
    file = settings.landing / consent.evidence
    if not file.resolve().is_relative_to(settings.landing.resolve()):
        return f"{file} is a link out of the landing folder and is not read; copy what it links to"
    try:
        found = file_sha256(file)
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}"
    if consent.evidence_sha256 is None:
        return f"no hash was written down for {file}; it is now {found}"
    if found != consent.evidence_sha256.lower():
        return f"{file} was changed: its SHA-256 is {found}, written down was {consent.evidence_sha256}"
    return None


def state(consent: Consent, on: date | None = None) -> str:
    """Says that it holds on that day (today), or why not."""
    scope = consent.scopes[0] if consent.scopes else "any use"
    refusal = consent.refusal(scope, on or date.today())
    return refusal.removeprefix(f"consent {consent.consent_id} ") if refusal else "holds"


def _read(settings: Settings) -> list[Consent]:
    return read_consents(settings.landing / CONSENTS_FILE)[0]


def _keep(landing: Path, consent_id: str, evidence: Path) -> tuple[str, str]:
    """The evidence's path below landing and its hash."""
    try:
        content = evidence.read_bytes()
    except OSError as error:
        raise ConsentError(f"{evidence}: the evidence cannot be read: {error.strerror}") from None
    digest = hashlib.sha256(content).hexdigest()
    here = evidence.resolve()
    if here.is_relative_to(landing.resolve()):
        return here.relative_to(landing.resolve()).as_posix(), digest
    readable = re.sub(r"[^0-9A-Za-z._-]+", "-", consent_id).strip(".-") or "consent"
    suffix = re.sub(r"[^0-9A-Za-z.]", "", evidence.suffix)
    kept = landing / _EVIDENCE_FOLDER / f"{readable[:60]}-{digest[:8]}{suffix}"
    replace_bytes(kept, content)
    return kept.relative_to(landing).as_posix(), digest


def _append(settings: Settings, consent: Consent) -> None:
    file = settings.landing / CONSENTS_FILE
    append_line(file, json.dumps(_as_line(consent), ensure_ascii=False).encode())


def _flaws(value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [flaw for text in texts if (flaw := text_flaw(text))]


def _as_line(consent: Consent) -> dict[str, Any]:
    return consent.model_dump(mode="json", by_alias=True, exclude_defaults=True)
