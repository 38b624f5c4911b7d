"""What a takedown will touch: recordings, the spans of a speaker who shares them, seconds of the ledger, models.

Only reads. Carrying a plan out is in takedown.py.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pipeline import ledger
from pipeline.consent_store import ConsentError, find
from pipeline.lake import Lake
from pipeline.line import WRITER
from pipeline.rights import CONSENTS_FILE, TAINTED, read_consents, resolve
from pipeline.settings import Settings
from pipeline.stage import Row
from pipeline.withdrawn_rows import Clip, Taking, Withdrawal

Kind = Literal["recording", "speaker", "consent"]
WITHDRAWN = "withdrawn"
_COLUMNS = ("source", "recording_id", "duration", "file_sha256", "audio_sha256", "consent_id", "metadata")
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
    """Resolve an id to what goes. Raises NothingToTakeDown.

    A recording may be named by id or source. A speaker is a linked one (`spk-...`) or a name in the metadata column
    `speaker`; by name the whole recordings go, because nothing says which voice in them is meant. Of a linked speaker
    who shares a recording, the turns go and every other turn with overlapping speech in it, for theirs may be the voice
    below; what other speakers said apart from that stays, but never the file, which holds the voice. A consent takes
    all that it covers and no other consent does.
    """
    lake = Lake(settings.lake)
    recordings = lake.rows("recordings", None, _COLUMNS)
    found = {"recording": _of_recording, "speaker": _of_speaker, "consent": _of_consent}[kind]
    takings = list(_completed(recordings, found(settings, lake, recordings, subject)))
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
        copies=_copies(lake, {one.recording_id for one in takings}),
    )


def _of_recording(settings: Settings, lake: Lake, recordings: list[Row], subject: str) -> Iterator[Taking]:
    ids = {row["recording_id"] for row in recordings if subject in (row["recording_id"], row["source"])}
    yield from (Taking(name) for name in ids)


def _of_speaker(settings: Settings, lake: Lake, recordings: list[Row], subject: str) -> Iterator[Taking]:
    labels: dict[str, set[str]] = defaultdict(set)
    for row in lake.rows("speakers", None, ("speaker_id", "recording_id", "local_speaker")):
        if row["speaker_id"] == subject:
            labels[row["recording_id"]].add(row["local_speaker"])
    turns: dict[str, list[Row]] = defaultdict(list)
    for row in lake.rows("turns", None, ("recording_id", "local_speaker", "start", "end", "overlap_share")):
        if row["recording_id"] in labels:
            turns[row["recording_id"]].append(row)
    for recording_id, own in labels.items():
        there = turns[recording_id]
        spans = tuple(
            (row["start"], row["end"])
            for row in sorted(there, key=lambda row: row["start"])
            if row["local_speaker"] in own or (row["overlap_share"] or 0.0) > 0.0
        )
        alone = len(spans) == len(there)
        yield Taking(recording_id, whole=alone, local_speakers=tuple(sorted(own)), spans=() if alone else spans)
    if not labels:
        for row in recordings:
            names = [name.strip() for name in (row["metadata"] or {}).get("speaker", "").split(";")]
            if subject in names:
                yield Taking(row["recording_id"])


def _of_consent(settings: Settings, lake: Lake, recordings: list[Row], subject: str) -> Iterator[Taking]:
    consents, _ = read_consents(settings.landing / CONSENTS_FILE)
    consent = next((one for one in consents if one.consent_id == subject), None)
    others = [one for one in consents if one.consent_id != subject]
    for row in recordings:
        metadata = row["metadata"] or {}
        named = subject in (row["consent_id"], metadata.get("consent_id", "").strip())
        if not named and (row["consent_id"] or consent is None or not consent.covers(row["source"], metadata)):
            continue
        if named or resolve(others, row["source"], metadata)[0] is None:
            yield Taking(row["recording_id"])


def _completed(recordings: list[Row], found: Iterable[Taking]) -> Iterator[Taking]:
    """Takings with sources, hashes and seconds; the same bytes or the same sound under another id go as well."""
    takings = {one.recording_id: one for one in found}
    hashes = {
        row[name]
        for row in recordings
        if row["recording_id"] in takings
        for name in ("file_sha256", "audio_sha256")
        if row[name]
    }
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in recordings:
        if row["recording_id"] in takings or hashes & {row["file_sha256"], row["audio_sha256"]}:
            rows[row["recording_id"]].append(row)
    for name, own in sorted(rows.items()):
        taking = takings.get(name, Taking(name))
        whole = sum(row["duration"] or 0.0 for row in own)
        yield replace(
            taking,
            sources=tuple(sorted({row["source"] for row in own})),
            audio_sha256=next((row["audio_sha256"] for row in own if row["audio_sha256"]), None),
            file_sha256s=tuple(sorted({row["file_sha256"] for row in own if row["file_sha256"]})),
            seconds=whole if taking.whole else sum(end - start for start, end in taking.spans),
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
    table = {"recording": "recordings", "speaker": "speakers", "consent": "consents"}[kind]
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
