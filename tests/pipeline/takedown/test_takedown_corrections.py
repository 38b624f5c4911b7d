"""A takedown reaches what people said of a voice, and the speech that they gave to it."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_workspace as small
from small_workspace import ANN, BEN

from pipeline.corpus.build import build_corpus
from pipeline.corrections.correction import correction
from pipeline.corrections.store import CorrectionRefused, Corrections
from pipeline.lake.lake import Lake
from pipeline.takedown import takedown


def test_a_speakers_takedown_takes_corrections_of_it_and_segments_that_a_reviewer_gave_it(tmp_path: Path) -> None:
    settings = small.build(tmp_path / "workspace")
    lake, store, duo = Lake(settings.lake), Corrections.of(settings), small.recording_id(settings, "duo")
    rows = lake.rows("segments", "b00001")
    mistaken, right = (
        row
        for row in rows
        if row["recording_id"] == duo and row["local_speaker"] == f"SPEAKER_{BEN}" and row["end"] < 16
    )
    # As stage score writes what a reviewer said: it is Ann who speaks here.
    lake.write(
        "segments", "b00001", [row | ({"speaker_id": f"SPEAKER_{ANN}"} if row is mistaken else {}) for row in rows]
    )
    seen = [row.correction_id for row in store.rows()]
    span = mistaken["recording_id"], mistaken["start"], mistaken["end"]
    store.add([correction("Wang", *span, "speaker", BEN, ANN)], seen)
    build_corpus(lake, settings)

    takedown.take_down(settings, "speaker", small.speaker_id(settings, ANN))

    left = [row["segment_id"] for row in lake.rows("segments", "b00001") if row["recording_id"] == duo]
    assert left == [right["segment_id"]]
    assert [(row.start, row.end) for row in store.of_recording(duo)] == [(right["start"], right["end"])]
    rows = lake.rows("tombstones", None, ("recording_id", "extent"))
    solo = next(row["recording_id"] for row in rows if row["extent"] == "whole")
    late = correction("Wang", solo, 0.25, 5.75, "text", None, "早上好")
    with pytest.raises(CorrectionRefused, match="withdrawn"):
        store.add([late])
