"""Table corpus over the whole lake, and its part of the ledger: duplicates, splits, who is for training only."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import clips
from pipeline.corpus import dedup, hubs
from pipeline.corpus.decided import PARTITION, current_rows, recordings, write
from pipeline.corpus.dedup import RecordingKey
from pipeline.corpus.excerpts import segment_audio
from pipeline.corpus.named_speakers import named
from pipeline.corpus.splits import Member, Split, assign
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.rights.current import CurrentRights
from pipeline.settings import Settings
from pipeline.text.normalize import normalizer

LEDGER_PARTITION = "corpus"
STAGE = "corpus"
DUPLICATE = "duplicate_segment"
HUB = "hub_speaker"
"""Drop reason of a segment of a speaker for training only, in a recording that is held out."""
_LISTEN_AT_ONCE = 2000
"""Segments whose fingerprints are held together: about 120 kB each."""
_PRECEDENCE: tuple[Split, ...] = ("train", "dev", "test")
_COLUMNS = (
    "segment_id",
    "recording_id",
    "batch",
    "dialect",
    "local_speaker",
    "speaker_id",
    "duration",
    "covered_seconds",
    "text_normalized",
    "dnsmos_ovrl",
    "audio_sha256",
    "decision",
    "drop_reason",
)


def build_corpus(lake: Lake, settings: Settings) -> dict[str, Any]:
    """Deduplicate and split all segments; write table corpus and the ledger's partition `corpus`; counts and hours."""
    segments = lake.rows("segments", None, _COLUMNS)
    speaker_of = {
        (row["recording_id"], row["local_speaker"]): row["speaker_id"] for row in lake.rows("speakers", PARTITION)
    }
    known = set(speaker_of.values())
    for row in segments:
        linked = speaker_of.get((row["recording_id"], row["local_speaker"]))
        said = row["speaker_id"]
        row["speaker_id"] = named(said, row["recording_id"], speaker_of, known) if said else linked
    refused = _refuse(segments, recordings(lake), CurrentRights.read(settings))
    kept = {row["segment_id"]: row for row in segments if row["decision"] == "keep"}
    keys = {name: _key(row) for name, row in sorted(kept.items())}
    exact = dedup.exact_pairs(list(keys.values()))
    near = _near_pairs(lake, keys, {pair[1] for pair in exact}, settings)
    replaced = dedup.keepers(keys, [*exact, *near])
    decided_by = settings.splits.model_dump()
    before = current_rows(lake, "corpus", decided_by)
    unique = [row for name, row in kept.items() if name not in replaced]
    hub_of = hubs.find(
        ((row["dialect"] or "", row["recording_id"], row["speaker_id"]) for row in unique if row["speaker_id"]),
        settings.splits.hub_share,
        {row["speaker_id"] for row in before if row["hub"]},
    )
    same = [(kept[one], kept[two]) for one, two in (*exact, *near)]
    splits = assign(
        [_member(row, row["speaker_id"] in hub_of) for row in unique],
        settings.splits.dev_share,
        settings.splits.test_share,
        settings.splits.seed,
        # What an interviewer plays or says the same way each time is nothing that held-out data could leak by.
        [
            (_recording_tie(one), _recording_tie(two))
            for one, two in same
            if not (one["speaker_id"] in hub_of and two["speaker_id"] in hub_of)
        ],
        _standing_sides(before),
    )
    dropped = dict.fromkeys(replaced, DUPLICATE)
    dropped |= {row["segment_id"]: HUB for row in unique if row["segment_id"] not in splits}
    rows = [
        _row(row, splits.get(row["segment_id"]), dropped.get(row["segment_id"]), replaced.get(row["segment_id"]))
        | {"hub": row["speaker_id"] in hub_of}
        for row in segments
    ]
    write(lake, "corpus", rows, decided_by)
    lake.write("ledger", LEDGER_PARTITION, _ledger(lake, kept, dropped, refused, settings))
    hours: dict[str, float] = dict.fromkeys((f"hours_{side}" for side in _PRECEDENCE), 0.0)
    for name, side in splits.items():
        hours[f"hours_{side}"] += kept[name]["duration"] / 3600
    return {
        "segments": len(segments),
        "kept": len(splits),
        "duplicates_exact": len(exact),
        "duplicates_near": len(replaced) - len(exact),
        "speakers": len({kept[name]["speaker_id"] for name in splits}),
        "hubs": [str(hub) for _, hub in sorted(hub_of.items())],
        "hub_segments_left_out": sum(reason == HUB for reason in dropped.values()),
        "content": hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest(),
        **hours,
    }


def _refuse(segments: Sequence[Row], known: Mapping[str, Row], rights: CurrentRights) -> list[Row]:
    """Drop, in place, kept segments of recordings that may not be used any more, and return them.

    Asked again here: a consent may have been revoked since the segments were made.
    """
    reasons = {name: reason for name, row in known.items() if (reason := rights.refusal(row)) is not None}
    refused = [row for row in segments if row["decision"] == "keep" and row["recording_id"] in reasons]
    for row in refused:
        row |= {"decision": "drop", "drop_reason": reasons[row["recording_id"]]}
    return refused


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
            if one in prints
            and two in prints
            and dedup.similarity(prints[one], prints[two]) >= settings.dedup.embedding_similarity
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


def _member(row: Row, train_only: bool) -> Member:
    ties = (_recording_tie(row),) if train_only else _ties(row)
    return Member(row["segment_id"], row["dialect"] or "", row["duration"], ties, train_only)


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


def _row(segment: Row, split: str | None, reason: str | None, duplicate_of: str | None) -> Row:
    return {
        "segment_id": segment["segment_id"],
        "recording_id": segment["recording_id"],
        "speaker_id": segment["speaker_id"],
        "split": split,
        "decision": "drop" if reason else segment["decision"],
        "drop_reason": reason or segment["drop_reason"],
        "duplicate_of": duplicate_of,
    }


def _ledger(
    lake: Lake, kept: Mapping[str, Row], dropped: Mapping[str, str], refused: Sequence[Row], settings: Settings
) -> list[Row]:
    """What the last stage passed, per source: on to the corpus, or dropped for a reason, or for want of a right."""
    ways: dict[str, dict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
    for name, row in kept.items():
        way = ("dropped", dropped[name]) if name in dropped else ("passed", "")
        ways[row["recording_id"]][way] += row["covered_seconds"]
    for row in refused:
        ways[row["recording_id"]]["dropped", row["drop_reason"]] += row["covered_seconds"]
    provenance = hashlib.sha256(json.dumps(settings.dedup.model_dump(), sort_keys=True).encode()).hexdigest()[:32]
    rows = []
    for recording_id, recording in sorted(recordings(lake).items()):
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
