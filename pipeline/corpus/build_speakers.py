"""Table speakers over the whole lake: the local speakers of all recordings, linked to people."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.corpus.decided import PARTITION, keep_report, name_of, report_of, stands, write
from pipeline.corpus.facts import Facts, cache_of
from pipeline.corpus.speakers import link
from pipeline.corpus.working_recordings import recording_facts
from pipeline.lake.lake import Lake
from pipeline.lake.tables import TABLES
from pipeline.recognition import thresholds
from pipeline.settings import Settings

VERSION = "2"
_COLUMNS = ("recording_id", "local_speaker", "start", "end", "embedding")
_BEFORE = ("recording_id", "local_speaker", "speaker_id", "embedding")


def build_speakers(lake: Lake, settings: Settings) -> dict[str, Any]:
    """Link the local speakers of all recordings and write table speakers; counts of what was done.

    Does nothing where the last run made it from the same content under the same settings.
    """
    folder = cache_of(lake, settings)
    turns = Facts(lake, folder, "turns", _COLUMNS, "1", local_speakers)
    recordings = recording_facts(lake, folder)
    threshold = thresholds.of_embedding(settings, "speakers", "threshold")
    decided_by = settings.speakers.model_dump() | {"threshold": threshold}
    made_from = name_of(VERSION, turns.digest, recordings.digest, decided_by)
    before = report_of(lake, folder, made_from, ("speakers", PARTITION))
    if before is not None:
        return before | {"new_speakers": 0}
    previous = TABLES["speakers"].empty_table().select(_BEFORE)
    if stands(lake, "speakers", decided_by):
        previous = lake.read("speakers", PARTITION, _BEFORE)
    rows = link(_working(turns, recordings), threshold, previous)
    write(lake, "speakers", PARTITION, [rows], decided_by, made_from)
    ids = pc.unique(rows["speaker_id"])  # type: ignore[attr-defined]
    known = pc.is_in(ids, value_set=previous["speaker_id"].combine_chunks())  # type: ignore[attr-defined]
    report = {
        "local_speakers": len(rows),
        "speakers": len(ids),
        "new_speakers": len(ids) - (pc.sum(known).as_py() or 0),  # type: ignore[attr-defined]
        "recordings": len(pc.unique(rows["recording_id"])),  # type: ignore[attr-defined]
    }
    keep_report(folder, "speakers", made_from, report)
    return report


def local_speakers(turns: pa.Table) -> pa.Table:
    """Local speakers of a partition of table turns: seconds of each and the first embedding that is there."""
    recording, label = (turns[name].combine_chunks().dictionary_encode() for name in ("recording_id", "local_speaker"))
    keys = recording.indices.to_numpy().astype(np.int64) * max(1, len(label.dictionary)) + label.indices.to_numpy()
    _, first, of = np.unique(keys, return_index=True, return_inverse=True)
    seconds = turns["end"].to_numpy() - turns["start"].to_numpy()
    sizes = pc.fill_null(pc.list_value_length(turns["embedding"]), 0).to_numpy()  # type: ignore[attr-defined]
    filled = np.flatnonzero(sizes > 0)
    who, at = np.unique(of[filled], return_index=True)
    place = np.full(len(first), -1, np.int64)
    place[who] = filled[at]
    return pa.table(
        {
            "recording_id": turns["recording_id"].take(pa.array(first)),
            "local_speaker": turns["local_speaker"].take(pa.array(first)),
            # Of no turns bincount counts in whole numbers.
            "seconds": pa.array(np.bincount(of, seconds, len(first)), pa.float64()),
            "embedding": turns["embedding"].take(pa.array(place, mask=place < 0)),
        }
    )


def _working(turns: Facts, recordings: Facts) -> pa.Table:
    """Local speakers of the recordings that the pipeline works on, with the dialect of each."""
    tables = list(turns.tables())
    known = [table.select(["recording_id", "dialect"]) for table in recordings.tables()]
    if not tables or not known:
        return TABLES["speakers"].empty_table()
    local, working = pa.concat_tables(tables), pa.concat_tables(known)
    place = pc.index_in(local["recording_id"], value_set=working["recording_id"].combine_chunks())  # type: ignore[attr-defined]
    local = local.append_column("dialect", working["dialect"].combine_chunks().take(place))
    return local.filter(place.is_valid())
