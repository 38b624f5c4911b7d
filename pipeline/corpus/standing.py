"""Where speakers and recordings were at the last run, and who was a hub: read from table corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.corpus.decided import PARTITION, stands
from pipeline.corpus.splits import NONE, SIDES
from pipeline.lake.lake import Lake

_COLUMNS = ("recording_id", "speaker_id", "split", "hub")


@dataclass(frozen=True)
class Standing:
    """The side of each recording and speaker (a place in SIDES, or NONE), and whether a speaker was a hub."""

    recording: NDArray[np.int8]
    speaker: NDArray[np.int8]
    hub: NDArray[np.bool_]


def standing(lake: Lake, decided_by: Mapping[str, Any], recordings: pa.Array, speakers: pa.Array) -> Standing:
    """As the last run under the same settings decided; nothing stands of one under others."""
    found = Standing(
        np.full(len(recordings), NONE, np.int8), np.full(len(speakers), NONE, np.int8), np.zeros(len(speakers), bool)
    )
    if not stands(lake, "corpus", decided_by):
        return found
    for rows in lake.batches("corpus", PARTITION, _COLUMNS):
        side = _places(rows["split"], pa.array(SIDES))
        side[side < 0] = NONE
        for name, among, sides in (
            ("recording_id", recordings, found.recording),
            ("speaker_id", speakers, found.speaker),
        ):
            place = _places(rows[name], among)
            np.minimum.at(sides, place[place >= 0], side[place >= 0].astype(np.int8))
        hub = pc.fill_null(rows["hub"], False).to_numpy().astype(bool)  # type: ignore[attr-defined]
        place = _places(rows["speaker_id"], speakers)
        found.hub[place[hub & (place >= 0)]] = True
    return found


def _places(values: pa.ChunkedArray, among: pa.Array) -> NDArray[np.int64]:
    found = pc.index_in(values, value_set=among)  # type: ignore[attr-defined]
    return pc.fill_null(found, -1).to_numpy().astype(np.int64)  # type: ignore[attr-defined]
