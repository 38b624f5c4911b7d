"""What a takedown will touch: recordings or spans of them, seconds of the ledger, models. Only reads.

What an id stands for is in subjects.py, carrying a plan out in takedown.py.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow.compute as pc

from pipeline.lake.lake import Lake
from pipeline.rights.consent_store import ConsentError, find
from pipeline.settings import Settings
from pipeline.takedown.extents import Withdrawal, WithdrawalExtent
from pipeline.takedown.ledger_balance import Rebalance, rebalances
from pipeline.takedown.models import tainted_models, unfinished_trainings
from pipeline.takedown.rows import Clip
from pipeline.takedown.subjects import Kind, resolve_subject


class NothingToTakeDown(Exception):
    """Nothing in the workspace belongs to the id; the message says where to look."""


@dataclass
class Plan:
    """All that a takedown needs to know to be carried out, begun again and finished; JSON in its journal file."""

    takedown_id: str
    kind: Kind
    subject_id: str
    reason: str
    requested: str
    extents: list[WithdrawalExtent]
    tainted: list[str]
    rebalance: list[Rebalance]
    unfinished: list[str] = field(default_factory=list)
    """Folders below the workspace of trainings that were killed and learned from it: without a card, so they go."""
    copies: list[str] = field(default_factory=list)
    """Recordings with segments that repeat withdrawn ones: they have their own consents and stay."""
    clips: list[Clip] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    """Rows that go, by recording (or by tainted model that spoke them)."""
    name: str = ""
    """The speaker's name that was asked for; only while it is pending."""
    warnings: list[str] = field(default_factory=list)
    """What the person who asked has to know; names recordings by their ids alone."""
    status: Literal["pending", "done"] = "pending"

    @property
    def withdrawal(self) -> Withdrawal:
        return Withdrawal({one.recording_id: one for one in self.extents}, frozenset(self.tainted))

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Plan:
        values = json.loads(content)
        # Journals of finished takedowns may be of a version that had another name for the list.
        if "takings" in values:
            values["extents"] = values.pop("takings")
        values["extents"] = [
            WithdrawalExtent(
                **one
                | {name: tuple(one[name]) for name in ("sources", "file_sha256s", "local_speakers")}
                | {"spans": tuple((start, end) for start, end in one["spans"])}
            )
            for one in values["extents"]
        ]
        values["rebalance"] = [Rebalance(**one) for one in values["rebalance"]]
        values["clips"] = [(size, digest) for size, digest in values["clips"]]
        return cls(**values)


def make_plan(settings: Settings, kind: Kind, subject: str, reason: str = "") -> Plan:
    """What a takedown of an id will touch. Raises NothingToTakeDown."""
    lake = Lake(settings.lake)
    resolved = resolve_subject(settings, kind, subject)
    extents = resolved.extents
    tainted, known = tainted_models(settings, lake, kind, subject, {one.recording_id for one in extents})
    if not extents and not known:
        raise NothingToTakeDown(_nowhere(kind, subject, lake, resolved.similar))
    moment = datetime.now(UTC)
    subject_id = _without_name(lake, kind, subject)
    return Plan(
        takedown_id=f"t-{moment:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        kind=kind,
        subject_id=subject_id,
        reason=reason,
        requested=moment.isoformat(timespec="seconds"),
        extents=extents,
        tainted=sorted(tainted),
        rebalance=list(rebalances(lake, extents)),
        unfinished=unfinished_trainings(settings, lake, extents),
        copies=_copies(lake, {one.recording_id for one in extents}),
        name=subject if kind == "speaker" and subject_id != subject else "",
        warnings=[*resolved.warnings, *_similar(resolved.similar)],
    )


def _copies(lake: Lake, recordings: set[str]) -> list[str]:
    """Recordings that hold a segment which repeats one of these recordings."""
    found = set()
    for row in lake.select("corpus", pc.field("duplicate_of").is_valid(), ("recording_id", "duplicate_of")):
        pair = {row["recording_id"], row["duplicate_of"].rsplit("-", 2)[0]}
        if pair & recordings:
            found |= pair - recordings
    return sorted(found)


def _without_name(lake: Lake, kind: Kind, subject: str) -> str:
    """The id as it may be kept for good: of a speaker's name or a file's name only the hash."""
    if kind == "consent":
        return subject
    column = "recording_id" if kind == "recording" else "speaker_id"
    table = "recordings" if kind == "recording" else "speakers"
    if any(lake.select(table, pc.field(column) == subject, (column,))):
        return subject
    return f"sha256:{hashlib.sha256(subject.encode()).hexdigest()[:16]}"


def _similar(recordings: Sequence[str]) -> list[str]:
    """Recordings whose metadata hold the name as a part of something else."""
    return [
        f"recording {name}: its metadata hold that name as a part of something else, so it stays; take it down with "
        "--recording if it is meant"
        for name in recordings
    ]


def _nowhere(kind: Kind, subject: str, lake: Lake, similar: Sequence[str]) -> str:
    if similar:
        return f"no recording has speaker {subject}; as a part of something else the name is in {', '.join(similar)}"
    tombstones = [
        row
        for row in lake.rows("tombstones")
        if subject in (row["recording_id"], row["subject_id"]) and row["extent"] == "whole"
    ]
    if tombstones:
        first = tombstones[0]
        return f"{kind} {subject} was withdrawn on {first['withdrawn'][:10]} by takedown {first['takedown_id']}"
    if kind == "consent":
        return (
            f"nothing in the workspace depends on consent {subject} alone; `fangyan consent revoke {subject}` ends it"
        )
    table = {"recording": "recordings", "speaker": "speakers"}[kind]
    return f'nothing belongs to {kind} {subject}; look for it with `fangyan sql "SELECT * FROM {table}"`'


def consent_holds(settings: Settings, consent_id: str) -> bool:
    """True if there is such a consent that is not revoked yet."""
    try:
        return find(settings, consent_id).revoked is None
    except ConsentError:
        return False


def counts(plan: Plan) -> Mapping[str, Any]:
    """What the audit log is told: numbers and ids."""
    return {
        "takedown_id": plan.takedown_id,
        "kind": plan.kind,
        "reason": plan.reason,
        "recordings": [one.recording_id for one in plan.extents],
        "in_part": [one.recording_id for one in plan.extents if not one.whole],
        "seconds": round(sum(one.seconds for one in plan.extents), 3),
        "rows": sum(plan.rows.values()),
        "models": plan.tainted,
    }
