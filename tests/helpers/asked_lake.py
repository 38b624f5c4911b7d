"""A small lake with a row for every question of the week, whose answers can be worked out by hand."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from full_lake import RATE, tone

from pipeline.lake.catalog import build_catalog
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row

NOW = datetime.now(UTC).replace(microsecond=0)
CODES = {"r1": "yue", "r2": "yue", "r3": "cmn-tianjin"}
_SPEAKERS = {"r1": "spk-a", "r2": "spk-b", "r3": "spk-c"}
_SCOPES = ["asr", "tts_training", "publication"]
_TEXTS = {"r1": "佢唔知。", "r2": "我哋去飲茶。", "r3": "今天天气好。"}


def asked_lake(root: Path) -> Lake:
    """Two batches: r1 and r2 (Cantonese) ten days ago, r3 (Tianjin) a day ago; each has two segments, one is kept."""
    lake = Lake(root)
    for batch, names, days in (("b00001", ("r1", "r2"), 10), ("b00002", ("r3",), 1)):
        landed = NOW - timedelta(days=days)
        lake.write("recordings", batch, [_recording(name, batch, landed) for name in names])
        lake.write("segments", batch, [row for name in names for row in _segments(name, batch)])
        lake.write("segment_dialects", batch, [_heard(name, batch) for name in names])
        lake.write("transcripts", batch, [_transcript(name, batch) for name in names])
        lake.write("hypotheses", batch, [_hypothesis(name, batch) for name in names])
        lake.write("alignments", batch, [_alignment(name, batch) for name in names])
        lake.write("ledger", f"{batch}.score", [row for name in names for row in _ledger(name, batch)])
    lake.write("corpus", "all", [row for name in CODES for row in _decided(name)])
    speakers = [
        {"speaker_id": _SPEAKERS[name], "recording_id": name, "local_speaker": "S0", "dialect": code, "seconds": 36.0}
        for name, code in CODES.items()
    ]
    lake.write("speakers", "all", speakers)
    today = NOW.date()
    lake.write("consents", "all", [_consent("c-1", today + timedelta(days=10)), _consent("c-2", date(2099, 12, 31))])
    lake.write("corrections", "c", _corrections())
    return lake


def _recording(name: str, batch: str, landed: datetime) -> Row:
    row = {"source": f"{CODES[name]}/radio/{name}.wav", "recording_id": name, "batch": batch, "dialect": CODES[name]}
    row |= {"collection": "radio", "status": "ok", "duration": 72.0, "sample_rate": RATE, "provenance": "p"}
    row |= {"consent_id": "c-2" if name == "r2" else "c-1", "metadata": {"region": "Foshan", "speaker": name}}
    return row | {"landed_at": landed, "ingested_at": landed + timedelta(minutes=5)}


def _segments(name: str, batch: str) -> list[Row]:
    """The kept segment is 36 s as it is played, 30 s of them covered by turns; the other is too short."""
    common: Row = {"recording_id": name, "turn_id": f"{name}-t", "batch": batch, "dialect": CODES[name]}
    common |= {"source": f"{CODES[name]}/radio/{name}.wav", "collection": "radio", "local_speaker": "S0"}
    common |= {"text": _TEXTS[name], "text_source": "recognised", "provenance": "p", "sample_rate": RATE}
    common |= {"metadata": {"region": "Foshan", "speaker": name}, "dnsmos_ovrl": 3.0, "tier": "keep"}
    number = int(name[1])
    common |= {"confidence": 1 - number / 10, "align_score": number / 10, "speaking_rate": 2.0 + number}
    sound = {"bytes": tone(100.0 * number), "path": f"{name}-a.flac"}
    kept = {"segment_id": f"{name}-a", "start": 0.0, "end": 36.0, "duration": 36.0, "covered_seconds": 30.0}
    short = {"segment_id": f"{name}-b", "start": 40.0, "end": 42.0, "duration": 2.0, "covered_seconds": 2.0}
    return [
        common | kept | {"decision": "keep", "audio": sound},
        common | short | {"decision": "drop", "drop_reason": "too_short", "audio": None},
    ]


def _decided(name: str) -> list[Row]:
    row: Row = {"recording_id": name, "speaker_id": _SPEAKERS[name]}
    split = "test" if name == "r2" else "train"
    return [
        row | {"segment_id": f"{name}-a", "split": split, "decision": "keep"},
        row | {"segment_id": f"{name}-b", "split": None, "decision": "drop", "drop_reason": "too_short"},
    ]


def _ledger(name: str, batch: str) -> list[Row]:
    row: Row = {"source": f"{CODES[name]}/radio/{name}.wav", "recording_id": name, "batch": batch, "stage": "score"}
    ways = (("passed", None, 30.0), ("dropped", "too_short", 6.0))
    return [
        row | {"provenance": "p", "outcome": outcome, "reason": reason, "seconds": seconds}
        for outcome, reason, seconds in ways
    ]


def _spoken(name: str, batch: str) -> Row:
    row: Row = {"transcript_id": f"{name}-x", "turn_id": f"{name}-t", "recording_id": name, "batch": batch}
    return row | {"start": 0.0, "end": 36.0, "covered_seconds": 30.0, "decision": "keep", "provenance": "p"}


def _transcript(name: str, batch: str) -> Row:
    return _spoken(name, batch) | {"text": _TEXTS[name], "text_source": "recognised"}


def _hypothesis(name: str, batch: str) -> Row:
    """One character is heard as another in r1 and left out in r2; the script alone makes no error."""
    heard = {"r1": "佢唔之", "r2": "我哋饮茶", "r3": "今天天氣好"}
    return _spoken(name, batch) | {"recognizer": "one", "text": heard[name]}


def _alignment(name: str, batch: str) -> Row:
    row = _spoken(name, batch) | {"transcript_id": f"{name}-y", "text": "乜", "align_score": 0.05}
    return row | {"decision": "drop", "drop_reason": "low_alignment"}


def _heard(name: str, batch: str) -> Row:
    row: Row = {"segment_id": f"{name}-a", "recording_id": name, "batch": batch, "start": 0.0, "end": 36.0}
    row |= {"dialect": CODES[name], "dialect_heard": "cmn" if name == "r3" else "yue", "dialect_probability": 0.9}
    return row | {"provenance": "p", "review_reason": "dialect_mismatch" if name == "r3" else None}


def _consent(name: str, until: date) -> Row:
    row: Row = {"consent_id": name, "subject": name, "recordings": [], "scopes": _SCOPES}
    return row | {"valid_from": date(2020, 1, 1), "valid_until": until}


def _corrections() -> list[Row]:
    """r1's text was changed in one of three characters; a change of r3's text was taken back; r2 was found right."""
    moments = [NOW - timedelta(hours=hours) for hours in (4, 3, 2, 1)]
    facts: list[dict[str, Any]] = [
        {"recording_id": "r1", "field": "text", "old": "佢唔之。", "new": "佢唔知。", "sample": "random-1"},
        {"recording_id": "r3", "field": "text", "old": "今天天气好。", "new": "今儿天气好。"},
        {"recording_id": "r3", "field": "text", "old": "今天天气好。", "new": "今儿天气好。", "takes_back": "k1"},
        {"recording_id": "r2", "field": "accepted", "old": None, "new": "我哋去飲茶。", "sample": "queue"},
    ]
    common = {"who": "Mei", "start": 0.0, "end": 36.0, "listened_s": 36.0}
    return [
        common | fact | {"correction_id": f"k{number}", "at": at}
        for number, (fact, at) in enumerate(zip(facts, moments, strict=True))
    ]


def asked_workspace(root: Path) -> Lake:
    """The lake in a workspace of its own, with its configuration, its catalog and the consents that the lake names."""
    lake = asked_lake(root / "lake")
    (root / "fangyan.toml").write_text('workspace = "."\n', encoding="utf-8")
    (root / "landing").mkdir()
    covered = {"c-1": [f"{CODES[name]}/radio/{name}.wav" for name in ("r1", "r3")], "c-2": ["yue/radio/r2.wav"]}
    lines = [
        json.dumps({"consent_id": name, "subject": name, "recordings": recordings, "scopes": _SCOPES})
        for name, recordings in covered.items()
    ]
    (root / "landing" / "consents.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    build_catalog(lake, root / "catalog.duckdb")
    return lake
