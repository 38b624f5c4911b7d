"""What a takedown will touch: recordings or spans of them, seconds of the ledger, models. Only reads.

What an id stands for is in takedown_subjects.py, carrying a plan out in takedown.py.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pipeline import ledger
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.rights.consent_store import ConsentError, find
from pipeline.rights.consents import TAINTED
from pipeline.run import WRITER
from pipeline.settings import Settings
from pipeline.takedown.rows import Clip, Taking, Withdrawal
from pipeline.takedown.subjects import Kind, resolve_subject

WITHDRAWN = "withdrawn"
_TABLE_OF = {stage: table for table, stage in WRITER.items()}


class NothingToTakeDown(Exception):
    """Nothing in the workspace belongs to the id; the message says where to look."""


@dataclass(frozen=True)
class Rebalance:
    """The ledger of a file withdrawn in part, after it: `passed` seconds of the stage stay, `withdrawn` are dropped."""

    partition: str
    source: str
    stage: str
    passed: float
    withdrawn: float


@dataclass
class Plan:
    """All that a takedown needs to know to be carried out, begun again and finished; JSON in its journal file."""

    takedown_id: str
    kind: Kind
    subject_id: str
    reason: str
    requested: str
    takings: list[Taking]
    tainted: list[str]
    rebalance: list[Rebalance]
    unfinished: list[str] = field(default_factory=list)
    """Folders below the workspace of trainings that were killed and learned from it: without a card, so they go."""
    copies: list[str] = field(default_factory=list)
    """Recordings with segments that repeat withdrawn ones: they have their own consents and stay."""
    clips: list[Clip] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    """Rows that go, by recording (or by tainted model that spoke them)."""
    status: Literal["pending", "done"] = "pending"

    @property
    def withdrawal(self) -> Withdrawal:
        return Withdrawal({one.recording_id: one for one in self.takings}, frozenset(self.tainted))

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Plan:
        values = json.loads(content)
        values["takings"] = [
            Taking(
                **one
                | {name: tuple(one[name]) for name in ("sources", "file_sha256s", "local_speakers")}
                | {"spans": tuple((start, end) for start, end in one["spans"])}
            )
            for one in values["takings"]
        ]
        values["rebalance"] = [Rebalance(**one) for one in values["rebalance"]]
        values["clips"] = [(size, digest) for size, digest in values["clips"]]
        return cls(**values)


def make_plan(settings: Settings, kind: Kind, subject: str, reason: str = "") -> Plan:
    """What a takedown of an id will touch. Raises NothingToTakeDown."""
    lake = Lake(settings.lake)
    takings = resolve_subject(settings, kind, subject)
    tainted, known = _models(settings, lake, kind, subject, {one.recording_id for one in takings})
    if not takings and not known:
        raise NothingToTakeDown(_nowhere(kind, subject, lake))
    moment = datetime.now(UTC)
    return Plan(
        takedown_id=f"t-{moment:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        kind=kind,
        subject_id=_without_name(lake, kind, subject),
        reason=reason,
        requested=moment.isoformat(timespec="seconds"),
        takings=takings,
        tainted=sorted(tainted),
        rebalance=list(_rebalances(lake, takings)),
        unfinished=_unfinished(settings, lake, takings),
        copies=_copies(lake, {one.recording_id for one in takings}),
    )


def _models(settings: Settings, lake: Lake, kind: Kind, subject: str, recordings: set[str]) -> tuple[set[str], bool]:
    """Models that learned from any of it, or from a model that did, by table and by card; whether any names the id."""
    facts = {row["model_id"]: row for row in lake.rows("models")}
    for folder, card in cards(settings):
        facts.setdefault(card.get("model_id") or folder.name, {}).update(
            {key: value for key, value in card.items() if value}
        )
    column = {"speaker": "speaker_ids", "consent": "consent_ids", "recording": "recording_ids"}[kind]
    tainted: set[str] = set()
    while True:
        more = {
            name
            for name, row in facts.items()
            if name not in tainted
            and (
                recordings & set(row.get("recording_ids") or ())
                or subject in (row.get(column) or ())
                or row.get("base") in tainted
            )
        }
        if not more:
            return tainted, any(facts[name].get("status") != TAINTED for name in tainted)
        tainted |= more


def cards(settings: Settings) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every model folder of the workspace with its card; a card that cannot be read counts as empty."""
    for file in sorted((settings.root / "models").glob("**/card.json")):
        try:
            card = json.loads(file.read_bytes())
        except (OSError, ValueError):
            card = {}
        yield file.parent, card if isinstance(card, dict) else {}


def _unfinished(settings: Settings, lake: Lake, takings: Sequence[Taking]) -> list[str]:
    """Model folders without a card, of dialects whose training set loses something."""
    withdrawal = Withdrawal({one.recording_id: one for one in takings})
    columns = ("segment_id", "recording_id", "dialect", "reference_segment_id", "reference_recording_id")
    rows = lake.rows("training_set", None, columns)
    dialects = {row["dialect"] for row in rows if withdrawal.of_row("training_set", row) is not None}
    folders = (folder for code in dialects for folder in (settings.root / "models" / code).glob("*/"))
    return sorted(
        folder.relative_to(settings.root).as_posix()
        for folder in folders
        if folder.is_dir() and not (folder / "card.json").exists()
    )


def _rebalances(lake: Lake, takings: Iterable[Taking]) -> Iterator[Rebalance]:
    """For files withdrawn in part: what their last stage passed on and no longer does."""
    partly = {source: one for one in takings if not one.whole for source in one.sources}
    if not partly:
        return
    withdrawal = Withdrawal({one.recording_id: one for one in partly.values()})
    for batch in lake.partitions("recordings"):
        last: dict[str, tuple[str, list[Row]]] = {}
        for stage in ledger.LINE:
            rows: dict[str, list[Row]] = defaultdict(list)
            for row in lake.rows("ledger", ledger.partition(batch, stage)):
                rows[row["source"]].append(row)
            last |= {source: (stage, rows[source]) for source in partly if source in rows}
        for source, (stage, rows_of) in last.items():
            passed = sum(row["seconds"] for row in rows_of if row["outcome"] == "passed")
            before = sum(row["seconds"] for row in rows_of if row["reason"] == WITHDRAWN)
            gone = _passed_on(lake, stage, batch, partly[source].recording_id, withdrawal)
            gone = min(passed, gone)
            if gone > 0.0:
                yield Rebalance(ledger.partition(batch, stage), source, stage, passed - gone, before + gone)


def _passed_on(lake: Lake, stage: str, batch: str, recording_id: str, withdrawal: Withdrawal) -> float:
    """Seconds of the rows that go, as the stage counted them for its ledger."""
    table = _TABLE_OF[stage]
    if stage == "ingest":
        return 0.0
    rows = lake.of_recording(table, batch, recording_id)
    rows = rows.drop_columns([name for name in ("audio", "embedding", "metadata") if name in rows.column_names])
    return sum(
        row["end"] - row["start"] if row.get("covered_seconds") is None else row["covered_seconds"]
        for row in rows.to_pylist()
        if row.get("decision", "keep") == "keep" and withdrawal.of_row(table, row) is not None
    )


def _copies(lake: Lake, recordings: set[str]) -> list[str]:
    """Recordings that hold a segment which repeats one of these recordings."""
    found = set()
    for row in lake.rows("corpus", None, ("recording_id", "duplicate_of")):
        if row["duplicate_of"]:
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
    if any(row[column] == subject for row in lake.rows(table, None, (column,))):
        return subject
    return f"sha256:{hashlib.sha256(subject.encode()).hexdigest()[:16]}"


def _nowhere(kind: Kind, subject: str, lake: Lake) -> str:
    stones = [
        row
        for row in lake.rows("tombstones")
        if subject in (row["recording_id"], row["subject_id"]) and row["extent"] == "whole"
    ]
    if stones:
        return f"{kind} {subject} was withdrawn on {stones[0]['withdrawn'][:10]} by takedown {stones[0]['takedown_id']}"
    if kind == "consent":
        return f"nothing in the workspace hangs on consent {subject} alone; `fangyan consent revoke {subject}` ends it"
    table = {"recording": "recordings", "speaker": "speakers"}[kind]
    return f'nothing belongs to {kind} {subject}; look for it with `fangyan sql "SELECT * FROM {table}"`'


def consent_stands(settings: Settings, consent_id: str) -> bool:
    """True if there is such a consent and it was not revoked yet."""
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
        "recordings": [one.recording_id for one in plan.takings],
        "in_part": [one.recording_id for one in plan.takings if not one.whole],
        "seconds": round(sum(one.seconds for one in plan.takings), 3),
        "rows": sum(plan.rows.values()),
        "models": plan.tainted,
    }
