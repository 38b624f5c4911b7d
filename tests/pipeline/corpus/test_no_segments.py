"""A workspace whose batches so far hold no speech."""

from __future__ import annotations

from pathlib import Path

from pipeline.corpus.build import build_corpus
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
