"""A workspace whose batches so far hold no speech."""

from __future__ import annotations

from pathlib import Path

import small_workspace

from pipeline.corpus.build import build_corpus
from pipeline.corpus.build_speakers import build_speakers
from pipeline.lake.lake import Lake
from pipeline.settings import Settings


def test_batches_without_a_segment_make_an_empty_corpus(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    lake = Lake(settings.lake)
    for batch in ("b00001", "b00002"):
        lake.write("segments", batch, [])
        lake.write("recordings", batch, [])
    build_corpus(lake, settings)
    build_corpus(lake, settings)
    assert lake.rows("corpus") == []


def test_a_batch_without_a_turn_leaves_the_speakers_of_the_others(tmp_path: Path) -> None:
    settings = small_workspace.build(tmp_path)
    lake = Lake(settings.lake)
    before = {row["speaker_id"] for row in lake.rows("speakers")}
    lake.write("recordings", "b00002", [])
    lake.write("turns", "b00002", [])
    build_speakers(lake, settings)
    assert {row["speaker_id"] for row in lake.rows("speakers")} == before
    assert len(before) == 2
