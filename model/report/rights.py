"""Whose voices are in a dialect's model and on the page, by consent and in numbers, never by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pydantic import ValidationError

from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.rights.consent import Consent
from pipeline.rights.consents import TAINTED


@dataclass(frozen=True)
class ConsentUse:
    """What one consent gives to a model; `standing` is empty while it allows training, else why it does not."""

    consent_id: str
    speakers: int
    recordings: int
    minutes: float
    scopes: list[str]
    until: str
    standing: str


@dataclass(frozen=True)
class Voices:
    """Who is in it. `publication` says in a sentence whether the page with its clips may be passed on."""

    consents: list[ConsentUse]
    speakers: int
    recordings: int
    minutes: float
    tainted: list[tuple[str, str]]
    may_be_published: bool
    publication: str


def voices(lake: Lake, dialect: str, models: Sequence[Row], spoken: Sequence[Row], on: date) -> Voices:
    """From training_set, consents and recordings; `models` and `spoken` are the dialect's rows of their tables.

    Publication asks for the consents of the training set, of what the models that speak have learned from, which may be
    an older one, and of the references that they copy.
    """
    rows = lake.rows("training_set", dialect, ["recording_id", "speaker_id", "consent_id", "seconds"])
    given: dict[str, Consent | None] = {}
    for row in lake.rows("consents"):
        given[row["consent_id"]] = _consent(row)
    by_consent: dict[str, list[Row]] = {}
    for row in rows:
        by_consent.setdefault(row["consent_id"] or "", []).append(row)
    uses = [_use(name, by_consent[name], given, on) for name in sorted(by_consent)]

    heard = {row["reference_recording_id"] for row in spoken if row["reference_recording_id"]}
    landed = lake.rows("recordings", columns=["recording_id", "consent_id"]) if heard else []
    covered = {row["recording_id"]: row["consent_id"] or "" for row in landed}
    speaking = {row["model_id"] for row in spoken}
    learned = {name for row in models if row["model_id"] in speaking for name in row["consent_ids"] or ()}
    needed = {*by_consent, *learned, *(covered.get(recording, "") for recording in heard)}
    closed = sorted(name for name in needed if _refusal(given.get(name), "publication", on, name))
    if not needed:
        publication = "No recorded voice is in it."
    elif closed:
        named = ", ".join(name or "(none)" for name in closed)
        publication = f"Do not publish this page: consent {named} does not allow publication of these voices."
    else:
        publication = "All voices in it are covered by consents that allow publication."
    tainted = [(row["model_id"], row["status_reason"] or "") for row in models if row["status"] == TAINTED]
    return Voices(
        uses,
        len({row["speaker_id"] for row in rows}),
        len({row["recording_id"] for row in rows}),
        sum(row["seconds"] for row in rows) / 60,
        tainted,
        not closed,
        publication,
    )


def _use(name: str, rows: Sequence[Row], given: dict[str, Consent | None], on: date) -> ConsentUse:
    consent = given.get(name)
    return ConsentUse(
        name or "(none)",
        len({row["speaker_id"] for row in rows}),
        len({row["recording_id"] for row in rows}),
        sum(row["seconds"] for row in rows) / 60,
        list(consent.scopes) if consent else [],
        str(consent.valid_until) if consent and consent.valid_until else "",
        _refusal(consent, "tts_training", on, name),
    )


def _refusal(consent: Consent | None, scope: str, on: date, name: str) -> str:
    if consent is None:
        return f"consent {name} is not in table consents" if name else "no consent is named"
    return consent.refusal(scope, on) or ""


def _consent(row: Row) -> Consent | None:
    try:
        return Consent.model_validate({key: value for key, value in row.items() if value is not None})
    except ValidationError:
        return None
