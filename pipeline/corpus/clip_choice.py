"""Which segments of the corpus a dialect's voice learns from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row, to_rows
from pipeline.lake.tables import TABLES
from pipeline.settings import TrainingSetPolicy

SCOPE = "tts_training"
TRAINING_SPLITS = ("train", "dev")
_COLUMNS = (
    "segment_id",
    "recording_id",
    "turn_id",
    "local_speaker",
    "batch",
    "start",
    "end",
    "duration",
    "text",
    "text_source",
    "characters",
    "asr_avg_logprob",
    "dnsmos_ovrl",
    "tier",
)
_DECIDED = ("segment_id", "recording_id", "speaker_id", "split", "decision", "drop_reason")
TEXT_BY_PEOPLE = ("given", "corrected", "accepted")
"""Values of text_source of text that a recogniser's doubts are not about."""


def candidates(lake: Lake, dialect: str) -> pa.Table:
    """Segments of the dialect with what the corpus decided about them, in order of segment_id; no sound.

    Columns of segments and corpus, `partition`, and `speech_end`: where the last character ends, null where none is
    aligned.
    """
    found = [
        _without_characters(rows).append_column("partition", pa.repeat(partition, len(rows)))
        for partition in lake.partitions("segments")
        for batch in lake.batches("segments", partition, (*_COLUMNS, "dialect"))
        if len(rows := batch.filter(pc.field("dialect") == dialect))
    ]
    if not found:
        return pa.table({name: pa.array([], pa.string()) for name in ("segment_id", "recording_id", "duration")})
    rows = pa.concat_tables(found).combine_chunks()
    rows = rows.take(pc.sort_indices(rows["segment_id"]))  # type: ignore[attr-defined]
    decided = _decided(lake, pc.unique(rows["recording_id"]))  # type: ignore[attr-defined]
    place = pc.index_in(rows["segment_id"], value_set=decided["segment_id"].combine_chunks())  # type: ignore[attr-defined]
    for name in ("speaker_id", "split", "decision", "drop_reason"):
        rows = rows.append_column(name, decided[name].combine_chunks().take(place))
    return rows


def _without_characters(rows: pa.Table) -> pa.Table:
    lists = pa.concat_arrays([pa.array([], rows["characters"].type), *rows["characters"].chunks])
    offsets = lists.offsets.to_numpy()
    filled = (np.diff(offsets) > 0) & lists.is_valid().to_numpy(zero_copy_only=False)
    ends = lists.values.field("end").take(pa.array(np.where(filled, offsets[1:] - 1, 0), mask=~filled))
    return rows.drop_columns(["characters"]).append_column("speech_end", ends)


def _decided(lake: Lake, recordings: pa.Array) -> pa.Table:
    """Rows of table corpus of these recordings."""
    rows = [
        batch.filter(pc.is_in(batch["recording_id"], value_set=recordings))  # type: ignore[attr-defined]
        for partition in lake.partitions("corpus")
        for batch in lake.batches("corpus", partition, _DECIDED)
    ]
    return pa.concat_tables([TABLES["corpus"].empty_table().select(_DECIDED), *rows])


def choose(
    rows: pa.Table, allowed: Collection[str], policy: TrainingSetPolicy, left_out: dict[str, float]
) -> list[Row]:
    """The `candidates` that policy and consent let through; seconds of the others are added to `left_out` by reason.

    `allowed` are recordings that a consent covers. Of a speaker who has said enough the best clips are taken.
    """
    if not len(rows):
        return []
    seconds = rows["duration"].to_numpy()
    reasons = _refusals(rows, allowed, policy)
    eligible = np.flatnonzero(reasons == "")
    dnsmos = pc.fill_null(rows["dnsmos_ovrl"], 0.0).to_numpy().astype(np.float64)  # type: ignore[attr-defined]
    speakers = rows["speaker_id"].to_pylist()
    spent: dict[str, float] = defaultdict(float)
    # Rows are in order of segment_id, which decides between equal ones.
    for row in eligible[np.argsort(-dnsmos[eligible], kind="stable")].tolist():
        if spent[speakers[row]] + seconds[row] > policy.speaker_hours * 3600:
            reasons[row] = "speaker_has_enough"
        else:
            spent[speakers[row]] += seconds[row]
    for reason in sorted(set(reasons) - {""}):
        left_out[reason] += float(seconds[reasons == reason].sum())
    return to_rows(rows.filter(pa.array(reasons == "")))


def _refusals(rows: pa.Table, allowed: Collection[str], policy: TrainingSetPolicy) -> NDArray[np.object_]:
    """The first reason that each row meets, "" for those that qualify."""
    seconds = rows["duration"].to_numpy()
    by_people = _true(pc.is_in(rows["text_source"], value_set=pa.array(TEXT_BY_PEOPLE)))  # type: ignore[attr-defined]
    unsure = ~by_people & _true(pc.less(rows["asr_avg_logprob"], policy.min_logprob))  # type: ignore[attr-defined]
    said = _true(pc.not_equal(pc.utf8_trim_whitespace(rows["text"]), ""))  # type: ignore[attr-defined]
    split, tier = (rows[name].to_pylist() for name in ("split", "tier"))
    known = rows["decision"].is_valid().to_numpy()
    dropped = known & ~_true(pc.equal(rows["decision"], "keep"))  # type: ignore[attr-defined]
    named = rows["drop_reason"].to_pylist()
    ways = (
        (~known, lambda row: "corpus: not_in_corpus"),
        (dropped, lambda row: f"corpus: {named[row] or 'dropped'}"),
        (~_true(pc.is_in(rows["recording_id"], value_set=pa.array(sorted(allowed), pa.string()))), _no_consent),  # type: ignore[attr-defined]
        (np.array([one not in TRAINING_SPLITS for one in split]), lambda row: f"split: {split[row] or 'none'}"),
        (np.array([one not in policy.tiers for one in tier]), lambda row: f"tier: {tier[row]}"),
        (seconds < policy.min_seconds, lambda row: "too_short"),
        (seconds > policy.max_seconds, lambda row: "too_long"),
        (unsure, lambda row: "unsure_text"),
        (~said, lambda row: "no_text"),
    )
    reasons = np.full(len(rows), "", object)
    for refused, reason in ways:
        for row in np.flatnonzero(refused & (reasons == "")).tolist():
            reasons[row] = reason(row)
    return reasons


def _no_consent(row: int) -> str:
    return f"no consent to {SCOPE}"


def _true(mask: pa.ChunkedArray) -> NDArray[np.bool_]:
    return pc.fill_null(mask, False).to_numpy().astype(bool)  # type: ignore[attr-defined]
