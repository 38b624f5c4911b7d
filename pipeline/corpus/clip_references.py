"""From which other clip each clip of a training set hears its voice: one that is surely of the same person.

A local speaker of the same recording comes first. Linking over recordings errs: across them the embeddings of both
local speakers must be alike.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.settings import TrainingSetPolicy

Speakers = Mapping[tuple[str, str], NDArray[np.float32]]
"""(recording_id, local_speaker) to an embedding (D,) of length 1."""


def local_speakers(lake: Lake, chosen: Sequence[Row]) -> Speakers:
    """The embeddings that table speakers has of the local speakers of these clips."""
    recordings = pa.array(sorted({row["recording_id"] for row in chosen}), pa.string())
    found: dict[tuple[str, str], NDArray[np.float32]] = {}
    for partition in lake.partitions("speakers"):
        for batch in lake.batches("speakers", partition, ("recording_id", "local_speaker", "embedding")):
            rows = batch.filter(pc.is_in(batch["recording_id"], value_set=recordings))  # type: ignore[attr-defined]
            for row in rows.to_pylist():
                vector = np.asarray(row["embedding"] or (), np.float32)
                if length := float(np.linalg.norm(vector)):
                    found[row["recording_id"], row["local_speaker"]] = vector / length
    return found


def references(chosen: Sequence[Row], policy: TrainingSetPolicy, speakers: Speakers) -> dict[str, Row]:
    """{segment_id: another segment of its speaker and split}, drawn by hash; none where no other is surely the same.

    Clips of `reference_seconds` come first, and not the one spoken just before, whose melody the target would continue.
    """
    of_speaker: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in chosen:
        if row["speaker_id"]:
            of_speaker[row["speaker_id"], row["split"]].append(row)
    found = {}
    for clips in of_speaker.values():
        ordered = sorted(clips, key=lambda row: (row["recording_id"], row["start"]))
        for before, row in itertools.pairwise([None, *ordered]):
            assert row is not None
            others = [other for other in ordered if other is not row]
            same = [other for other in others if _local(other) == _local(row)]
            if rest := same or [other for other in others if _alike(row, other, speakers, policy)]:
                found[row["segment_id"]] = min(rest, key=partial(_rank, row, before, policy.reference_seconds))
    return found


def _local(row: Row) -> tuple[str, str | None]:
    return row["recording_id"], row["local_speaker"]


def _alike(row: Row, other: Row, speakers: Speakers, policy: TrainingSetPolicy) -> bool:
    """Whether two local speakers are one person by their embeddings; of unknown ones nobody can say."""
    one, two = (speakers.get((each["recording_id"], each["local_speaker"] or "")) for each in (row, other))
    return one is not None and two is not None and float(one @ two) >= policy.reference_similarity


def _rank(target: Row, before: Row | None, seconds: tuple[float, float], other: Row) -> tuple[bool, bool, bytes]:
    low, high = seconds
    drawn = hashlib.sha256(f"{target['segment_id']}\0{other['segment_id']}".encode()).digest()
    return not low <= other["duration"] <= high, other is before, drawn
