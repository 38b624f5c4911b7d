"""Which linked speaker says each segment: as diarization has it, or as a reviewer said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.corpus.facts import Facts
from pipeline.corpus.named_speakers import named
from pipeline.corpus.segment_facts import Segments
from pipeline.lake.lake import Lake

_COLUMNS = ("recording_id", "local_speaker", "speaker_id")


@dataclass(frozen=True)
class SegmentSpeakers:
    """The number of each segment's speaker, -1 for none, and the speaker_ids in order."""

    of_segment: NDArray[np.int64]
    names: pa.Array


def linked_facts(lake: Lake, folder: Path) -> Facts:
    """Table speakers without the embeddings."""
    return Facts(lake, folder, "speakers", _COLUMNS, "1", lambda table: table)


def speakers_of(
    segments: Segments, linked: Facts, recording: NDArray[np.int64], recordings: pa.Array
) -> SegmentSpeakers:
    """`recording` is the number of each segment's recording among `recordings`."""
    label, labels = segments.codes("local_speaker")
    said, sayings = segments.codes("speaker_id")
    tables = list(linked.tables())
    columns = [
        pa.concat_arrays([pa.array([], pa.string()), *(chunk for table in tables for chunk in table[name].chunks)])
        for name in _COLUMNS
    ]
    known = columns[2]
    where, what = _places(columns[0], recordings), _places(columns[1], labels)
    at = _said_at(said, recording)
    by_name = _named(at, columns, recordings, sayings)
    everybody = pc.unique(pa.concat_arrays([known, pa.array(list(by_name.values()), pa.string())]))  # type: ignore[attr-defined]
    names = everybody.take(pc.sort_indices(everybody))  # type: ignore[attr-defined]
    number = _places(known, names)
    here = (where >= 0) & (what >= 0)
    keys = where[here] * len(labels) + what[here]
    order = np.argsort(keys, kind="stable")
    keys, number = keys[order], number[here][order]
    own = recording * len(labels) + label
    place = np.minimum(np.searchsorted(keys, own), max(0, len(keys) - 1))
    of_segment = np.full(segments.count, -1, np.int64)
    if len(keys):
        found = (label >= 0) & (keys[place] == own)
        of_segment[found] = number[place[found]]
    numbers = _places(pa.array(list(by_name.values()), pa.string()), names)
    for (saying, where_said), who in zip(by_name, numbers.tolist(), strict=True):
        of_segment[(said == saying) & (recording == where_said)] = who
    return SegmentSpeakers(of_segment, names)


def _said_at(said: NDArray[np.int64], recording: NDArray[np.int64]) -> list[tuple[int, int]]:
    """What reviewers said, and in which recording: few."""
    told = np.flatnonzero(said >= 0)
    return [(one, two) for one, two in np.unique(np.stack([said[told], recording[told]], axis=1), axis=0).tolist()]


def _named(
    at: list[tuple[int, int]], columns: list[pa.Array], recordings: pa.Array, sayings: pa.Array
) -> dict[tuple[int, int], str]:
    """The speaker_id that each saying means in its recording."""
    where = pa.array([recordings[place].as_py() for _, place in at], pa.string())
    rows = pa.table(columns, list(_COLUMNS)).filter(pc.is_in(columns[0], value_set=where)).to_pylist()  # type: ignore[attr-defined]
    speaker_of = {(row["recording_id"], row["local_speaker"]): row["speaker_id"] for row in rows}
    known = set(sayings.filter(pc.is_in(sayings, value_set=columns[2])).to_pylist())  # type: ignore[attr-defined]
    return {
        (saying, place): named(sayings[saying].as_py(), recordings[place].as_py(), speaker_of, known)
        for saying, place in at
    }


def _places(values: pa.Array, among: pa.Array) -> NDArray[np.int64]:
    """The place of each value in `among`, -1 where it is not."""
    found = pc.index_in(values, value_set=among)  # type: ignore[attr-defined]
    return pc.fill_null(found, -1).to_numpy().astype(np.int64)  # type: ignore[attr-defined]
