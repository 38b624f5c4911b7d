"""What recordings of the dialect score with the same judges: how far a voice could come.

Recordings are kept segments, those of speakers whom no training set holds first, speakers taking turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import pyarrow.parquet as pq

from model.evaluation.corpus_speech import from_segment
from model.evaluation.metrics import ERROR_RATES
from model.evaluation.utterance import Utterance
from model.validation.compared import RECORDINGS
from pipeline.corpus.clip_choice import TEXT_BY_PEOPLE
from pipeline.corpus.excerpts import segment_samples
from pipeline.lake.lake import Lake
from pipeline.lake.query import each_row
from pipeline.lake.rows import Row, to_rows
from pipeline.lake.storage import readable
from pipeline.lake.views import literal

MOST = 60
MEASURES = (*ERROR_RATES, "tone_distance", "tone_accuracy", "similarity", "dnsmos", "distillmos", "dialect_accuracy")
OWN_TEXT = "its text was written by the recogniser that would judge it"
_COLUMNS = ["segment_id", "dialect", "text", "romanization", "characters", "start", "audio"]


@dataclass(frozen=True)
class Recorded:
    """Segments as utterances, the recording of each by segment_id, and those whose text a recogniser wrote."""

    utterances: list[Utterance]
    recordings: Mapping[str, str]
    by_recogniser: frozenset[str]


def recorded(lake: Lake, dialect: str) -> Recorded:
    """Up to MOST kept segments with audio; the reference of each is another segment of its speaker."""
    chosen = {row["segment_id"]: row for row in each_row(lake, _choice(dialect))}
    sounds = segment_samples(lake, {row["reference"] for row in chosen.values() if row["reference"]})
    found = []
    for row in _rows(lake, set(chosen)):
        with suppress(ValueError):
            about = chosen[row["segment_id"]]
            samples, rate = sounds.get(about["reference"], (None, 0))
            speaker = about["speaker_id"] or ""
            found.append(
                replace(
                    from_segment(row),
                    model_id=RECORDINGS,
                    reference=samples,
                    reference_rate=rate,
                    speaker_id=speaker,
                )
            )
    return Recorded(
        found,
        {name: row["recording_id"] for name, row in chosen.items()},
        frozenset(name for name, row in chosen.items() if row["text_source"] not in TEXT_BY_PEOPLE),
    )


def _choice(dialect: str) -> str:
    return f"""
        WITH kept AS (
            SELECT segment_id, recording_id, speaker_id, text_source,
                CASE split WHEN 'test' THEN 0 WHEN 'dev' THEN 1 ELSE 2 END AS side
            FROM segments WHERE decision = 'keep' AND dialect = {literal(dialect)}
        ), placed AS (
            SELECT *,
                row_number() OVER (PARTITION BY side, speaker_id ORDER BY segment_id) AS place,
                CASE WHEN speaker_id IS NOT NULL THEN
                    coalesce(lead(segment_id) OVER own, lag(segment_id) OVER own) END AS reference
            FROM kept WINDOW own AS (PARTITION BY speaker_id ORDER BY segment_id)
        )
        SELECT segment_id, recording_id, speaker_id, text_source, reference FROM placed
        ORDER BY side, place, speaker_id, segment_id LIMIT {MOST}
    """


def _rows(lake: Lake, wanted: set[str]) -> list[Row]:
    found: list[Row] = []
    for partition in lake.partitions("segments") if wanted else ():
        file = readable(lake.path("segments", partition))
        found += to_rows(pq.read_table(file, columns=_COLUMNS, filters=[("segment_id", "in", sorted(wanted))]))
    return found
