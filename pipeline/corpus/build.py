"""Tables speakers and corpus over the whole lake, and the corpus's part of the ledger.

Both are small next to the segments and are made anew each time; what an earlier run decided (speaker ids, splits)
stands as long as the settings that decided it do.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.audio import clips
from pipeline.corpus import dedup
from pipeline.corpus.dedup import RecordingKey
from pipeline.corpus.excerpts import segment_audio
from pipeline.corpus.speakers import LocalSpeaker, link
from pipeline.corpus.splits import Member, Split, assign
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row, to_table
from pipeline.recognition import thresholds
from pipeline.rights.current import CurrentRights
from pipeline.settings import Settings
from pipeline.text.normalize import normalizer

PARTITION = "all"
LEDGER_PARTITION = "corpus"
STAGE = "corpus"
DUPLICATE = "duplicate_segment"
_DECIDED_BY = b"fangyan.decided_by"
_LISTEN_AT_ONCE = 2000
"""Segments whose fingerprints are held together: about 120 kB each."""
_PRECEDENCE: tuple[Split, ...] = ("train", "dev", "test")
_RECORDING_COLUMNS = (
    "source",
    "recording_id",
    "batch",
    "dialect",
    "status",
    "consent_id",
    "metadata",
    "file_sha256",
    "audio_sha256",
)
_COLUMNS = (
    "segment_id",
    "recording_id",
    "batch",
    "dialect",
    "local_speaker",
    "duration",
    "covered_seconds",
    "text_normalized",
    "dnsmos_ovrl",
    "audio_sha256",
    "decision",
    "drop_reason",
)


def build_speakers(lake: Lake, settings: Settings) -> dict[str, Any]:
    """Link the local speakers of all recordings and write table speakers; counts of what was done."""
    columns = ("recording_id", "local_speaker", "start", "end", "embedding")
    dialects = {recording_id: row["dialect"] for recording_id, row in _recordings(lake).items()}
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    embeddings: dict[tuple[str, str], list[float] | None] = {}
    for row in lake.rows("turns", None, columns):
        if row["recording_id"] in dialects:
            key = row["recording_id"], row["local_speaker"]
            seconds[key] += row["end"] - row["start"]
            embeddings[key] = embeddings.get(key) or row["embedding"]
    local = [LocalSpeaker(*key, dialects[key[0]], total, embeddings[key]) for key, total in sorted(seconds.items())]
    threshold = thresholds.of_embedding(settings, "speakers", "threshold")
    decided_by = settings.speakers.model_dump() | {"threshold": threshold}
    previous = _current_rows(lake, "speakers", decided_by)
    rows = link(local, threshold, previous)
    _write(lake, "speakers", rows, decided_by)
    ids = {row["speaker_id"] for row in rows}
    return {
        "local_speakers": len(rows),
        "speakers": len(ids),
        "new_speakers": len(ids - {row["speaker_id"] for row in previous}),
        "recordings": len({row["recording_id"] for row in rows}),
    }


def build_corpus(lake: Lake, settings: Settings) -> dict[str, Any]:
    """Deduplicate and split all segments; write table corpus and the ledger's partition `corpus`; counts and hours."""
    segments = lake.rows("segments", None, _COLUMNS)
    speaker_of = {
        (row["recording_id"], row["local_speaker"]): row["speaker_id"] for row in lake.rows("speakers", PARTITION)
    }
    for row in segments:
        row["speaker_id"] = speaker_of.get((row["recording_id"], row["local_speaker"]))
    refused = _refuse(segments, _recordings(lake), CurrentRights.read(settings))
    kept = {row["segment_id"]: row for row in segments if row["decision"] == "keep"}
    keys = {name: _key(row) for name, row in sorted(kept.items())}
    exact = dedup.exact_pairs(list(keys.values()))
    near = _near_pairs(lake, keys, {pair[1] for pair in exact}, settings)
    replaced = dedup.keepers(keys, [*exact, *near])
    decided_by = settings.splits.model_dump()
    splits = assign(
        [_member(row) for name, row in kept.items() if name not in replaced],
        settings.splits.dev_share,
        settings.splits.test_share,
        settings.splits.seed,
        [(_recording_tie(kept[one]), _recording_tie(kept[two])) for one, two in (*exact, *near)],
        _standing_sides(_current_rows(lake, "corpus", decided_by)),
    )
    rows = [_row(row, splits.get(row["segment_id"]), replaced.get(row["segment_id"])) for row in segments]
    _write(lake, "corpus", rows, decided_by)
    lake.write("ledger", LEDGER_PARTITION, _ledger(lake, kept, replaced, refused, settings))
    hours: dict[str, float] = dict.fromkeys((f"hours_{side}" for side in _PRECEDENCE), 0.0)
    for name, side in splits.items():
        hours[f"hours_{side}"] += kept[name]["duration"] / 3600
    return {
        "segments": len(segments),
        "kept": len(splits),
        "duplicates_exact": len(exact),
        "duplicates_near": len(replaced) - len(exact),
        "speakers": len({kept[name]["speaker_id"] for name in splits}),
        "content": hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest(),
        **hours,
    }


def _recordings(lake: Lake) -> dict[str, Row]:
    """Rows of the recordings that the pipeline works on, by recording_id."""
    rows = lake.rows("recordings", None, _RECORDING_COLUMNS)
    return {row["recording_id"]: row for row in rows if row["status"] == "ok"}


def _refuse(segments: Sequence[Row], recordings: Mapping[str, Row], rights: CurrentRights) -> list[Row]:
    """Drop, in place, kept segments of recordings that may not be used any more, and return them.

    Asked again here: a consent may have been revoked since the segments were made.
    """
    reasons = {name: reason for name, row in recordings.items() if (reason := rights.refusal(row)) is not None}
    refused = [row for row in segments if row["decision"] == "keep" and row["recording_id"] in reasons]
    for row in refused:
        row |= {"decision": "drop", "drop_reason": reasons[row["recording_id"]]}
    return refused


def _current_rows(lake: Lake, table: str, decided_by: Mapping[str, Any]) -> list[Row]:
    """What the last run decided under the same settings; nothing under others."""
    file = lake.path(table, PARTITION)
    if not file.exists():
        return []
    notes = pq.read_schema(file).metadata or {}
    if notes.get(_DECIDED_BY) != json.dumps(decided_by, sort_keys=True).encode():
        return []
    return lake.rows(table, PARTITION)


def _write(lake: Lake, table: str, rows: Sequence[Row], decided_by: Mapping[str, Any]) -> None:
    content = to_table(table, rows)
    notes = dict(content.schema.metadata or {}) | {_DECIDED_BY: json.dumps(decided_by, sort_keys=True).encode()}
    lake.write(table, PARTITION, iter([content.replace_schema_metadata(notes)]))


def _key(row: Row) -> RecordingKey:
    return RecordingKey(
        row["segment_id"],
        normalizer(row["dialect"] or "cmn").text(row["text_normalized"] or ""),
        row["duration"],
        row["dnsmos_ovrl"] or 0.0,
        row["audio_sha256"],
    )


def _near_pairs(
    lake: Lake, keys: Mapping[str, RecordingKey], known: set[str], settings: Settings
) -> list[tuple[str, str]]:
    """Pairs that are one event by text and sound; `known` repeat a segment to the sample: they need no look."""
    fresh = [segment for name, segment in keys.items() if name not in known]
    candidates = dedup.candidate_pairs(fresh, settings.dedup.text_similarity)
    found = []
    for pairs in _portions(candidates):
        prints = dict(_fingerprints(lake, {name for pair in pairs for name in pair}))
        found += [
            (one, two)
            for one, two in pairs
            if dedup.similarity(prints[one], prints[two]) >= settings.dedup.embedding_similarity
        ]
    return found


def _portions(pairs: Sequence[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Pairs in portions of about 2000 segments; what is connected stays together, so that each is keys once."""
    group_of = {name: number for number, group in enumerate(dedup.groups(pairs)) for name in group}
    portion: list[tuple[str, str]] = []
    names: set[str] = set()
    for pair in sorted(pairs, key=lambda pair: group_of[pair[0]]):
        if len(names) >= _LISTEN_AT_ONCE and group_of[pair[0]] != group_of[portion[-1][0]]:
            yield portion
            portion, names = [], set()
        portion.append(pair)
        names.update(pair)
    if portion:
        yield portion


def _fingerprints(lake: Lake, names: set[str]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    for name, data in segment_audio(lake, names):
        yield name, dedup.fingerprint(*clips.decode_bytes(data))


def _member(row: Row) -> Member:
    return Member(row["segment_id"], row["dialect"] or "", row["duration"], _ties(row))


def _ties(row: Row) -> tuple[str, ...]:
    recording = _recording_tie(row)
    return (recording, f"speaker {row['speaker_id']}") if row["speaker_id"] else (recording,)


def _recording_tie(row: Row) -> str:
    return f"recording {row['recording_id']}"


def _standing_sides(rows: Sequence[Row]) -> dict[str, Split]:
    """Where each speaker and recording was at the last run."""
    sides: dict[str, Split] = {}
    for row in rows:
        for tie in _ties(row) if row["split"] else ():
            sides[tie] = min(sides.get(tie, row["split"]), row["split"], key=_PRECEDENCE.index)
    return sides


def _row(segment: Row, split: str | None, duplicate_of: str | None) -> Row:
    return {
        "segment_id": segment["segment_id"],
        "recording_id": segment["recording_id"],
        "speaker_id": segment["speaker_id"],
        "split": split,
        "decision": "drop" if duplicate_of else segment["decision"],
        "drop_reason": DUPLICATE if duplicate_of else segment["drop_reason"],
        "duplicate_of": duplicate_of,
    }


def _ledger(
    lake: Lake, kept: Mapping[str, Row], replaced: Mapping[str, str], refused: Sequence[Row], settings: Settings
) -> list[Row]:
    """What the last stage passed, per source: on to the corpus, or dropped as a duplicate or for want of a right."""
    ways: dict[str, dict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
    for name, row in kept.items():
        way = ("dropped", DUPLICATE) if name in replaced else ("passed", "")
        ways[row["recording_id"]][way] += row["covered_seconds"]
    for row in refused:
        ways[row["recording_id"]]["dropped", row["drop_reason"]] += row["covered_seconds"]
    provenance = hashlib.sha256(json.dumps(settings.dedup.model_dump(), sort_keys=True).encode()).hexdigest()[:32]
    rows = []
    for recording_id, recording in sorted(_recordings(lake).items()):
        shared = {
            "source": recording["source"],
            "recording_id": recording_id,
            "batch": recording["batch"],
            "stage": STAGE,
            "provenance": provenance,
        }
        rows += [
            shared | {"outcome": outcome, "reason": reason, "seconds": seconds}
            for (outcome, reason), seconds in sorted(ways[recording_id].items(), reverse=True)
        ]
    return rows
