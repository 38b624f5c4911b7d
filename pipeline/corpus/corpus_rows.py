"""What was decided about all segments, as rows of table corpus and of the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.corpus.duplicates import Duplicates
from pipeline.corpus.facts import Facts
from pipeline.corpus.hubs import Hub
from pipeline.corpus.segment_facts import Segments
from pipeline.corpus.segment_speakers import SegmentSpeakers
from pipeline.corpus.splits import NONE, SIDES
from pipeline.lake.content import digest_of
from pipeline.lake.tables import TABLES

STAGE = "corpus"
_PASSED = -1


@dataclass(frozen=True)
class Decisions:
    """By segment: numbers of recording, speaker and reason (-1: none), its side or NONE, the row that it repeats or -1.

    `kept` is what the last stage keeps and rights allow, `away` what it keeps and they do not.
    """

    segments: Segments
    recordings: pa.Array
    recording: NDArray[np.int64]
    speakers: SegmentSpeakers
    side: NDArray[np.int8]
    kept: NDArray[np.bool_]
    away: NDArray[np.bool_]
    reason: NDArray[np.int64]
    reasons: list[str]
    replaced: NDArray[np.int64]
    hub: NDArray[np.bool_]
    hubs: dict[int, Hub]
    duplicates: Duplicates


def chunks(decided: Decisions) -> Iterator[pa.Table]:
    """Rows of table corpus, partition by partition of table segments."""
    schema = TABLES["corpus"]
    if not decided.segments.count:
        yield schema.empty_table()
    repeating = np.flatnonzero(decided.replaced >= 0)
    originals = pa.array(decided.segments.ids(decided.replaced[repeating]), pa.string())
    place = np.full(decided.segments.count, -1, np.int64)
    place[repeating] = np.arange(len(repeating))
    sides, reasons = pa.array(SIDES), pa.array(decided.reasons, pa.string())
    for begin, end, ids in decided.segments.spans():
        here = slice(begin, end)
        chosen = decided.side[here] != NONE
        columns = {
            "segment_id": ids["segment_id"],
            "recording_id": ids["recording_id"].cast(pa.string()),
            "speaker_id": _taken(decided.speakers.names, decided.speakers.of_segment[here]),
            "split": _taken(sides, np.where(chosen, decided.side[here], -1)),
            "decision": pa.array(np.where(chosen, "keep", "drop")),
            "drop_reason": _taken(reasons, np.where(chosen, -1, decided.reason[here])),
            "duplicate_of": _taken(originals, place[here]),
            "hub": pa.array(decided.hub[here]),
        }
        yield pa.table([columns[field.name] for field in schema], schema=schema)


def content(decided: Decisions) -> str:
    """Names the rows of table corpus: the same rows give the same name."""
    digest = hashlib.sha256()
    for chunk in chunks(decided):
        digest.update(digest_of(chunk))
    return digest.hexdigest()


def ledger_rows(decided: Decisions, recordings: Facts, provenance: str) -> pa.Table:
    """What the last stage passed, per source: on to the corpus, or dropped for a reason, or for want of a right."""
    rows = np.flatnonzero(decided.kept | decided.away)
    passed = decided.side[rows] != NONE
    ways = len(decided.reasons) + 1
    way = np.where(passed, _PASSED, decided.reason[rows]) + 1
    keys, at = np.unique(decided.recording[rows] * ways + way, return_inverse=True)
    # One after another, as sums of floating-point numbers depend on the order.
    seconds = np.bincount(at, decided.segments.numbers("covered_seconds")[rows], len(keys))
    tables = [table.select(["source", "recording_id", "batch"]) for table in recordings.tables()]
    if not tables or not len(keys):
        return TABLES["ledger"].empty_table()
    known = pa.concat_tables(tables)
    ids = decided.recordings.take(pa.array(keys // ways))
    place = pc.index_in(ids, value_set=pc.unique(known["recording_id"]))  # type: ignore[attr-defined]
    last = _last(known["recording_id"].combine_chunks())
    found = np.flatnonzero(place.is_valid().to_numpy(zero_copy_only=False))
    keys, seconds = keys[found], seconds[found]
    row = last[place.take(pa.array(found)).to_numpy()]
    reason = keys % ways - 1
    names = ["", *decided.reasons]
    by_name = np.argsort(np.argsort(np.array(names)))
    order = np.lexsort((-by_name[reason + 1], -(reason == _PASSED).astype(int), keys // ways))
    shared = known.take(pa.array(row[order]))
    columns = {
        "source": shared["source"],
        "recording_id": shared["recording_id"],
        "batch": shared["batch"],
        "stage": pa.repeat(STAGE, len(order)),
        "outcome": pa.array(np.where(reason[order] == _PASSED, "passed", "dropped")),
        "reason": pa.array(names).take(pa.array(reason[order] + 1)),
        "seconds": pa.array(seconds[order]),
        "provenance": pa.repeat(provenance, len(order)),
    }
    schema = TABLES["ledger"]
    return pa.table([columns[field.name] for field in schema], schema=schema)


def _last(names: pa.Array) -> NDArray[np.int64]:
    """The last row of each different name, in order of first appearance."""
    encoded = names.dictionary_encode()
    last = np.zeros(len(encoded.dictionary), np.int64)
    last[encoded.indices.to_numpy()] = np.arange(len(names))
    return last


def _taken(names: pa.Array, places: NDArray) -> pa.Array:
    """The names at these places, null at -1."""
    return names.take(pa.array(places, mask=places < 0))
