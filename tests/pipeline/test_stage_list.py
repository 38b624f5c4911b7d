"""The stage list: what is derived from it agrees with the stages themselves."""

from __future__ import annotations

import pytest

from pipeline import stage_list
from pipeline.lake.tables import TABLES
from pipeline.settings import Settings
from pipeline.stage_list import STAGES, build_stage


def test_each_entry_agrees_with_its_stage() -> None:
    for entry in STAGES:
        stage = build_stage(entry.name, Settings())
        assert (stage.name, stage.writes) == (entry.name, entry.table)
        assert set(stage.reads) <= set(TABLES)
        assert entry.table in TABLES


def test_a_stage_is_given_only_what_earlier_stages_write() -> None:
    written: set[str] = set()
    for entry in STAGES:
        assert {table for table in entry.stage_class.reads if stage_list.writer_of(table)} <= written
        written.add(entry.table)


def test_upstream_is_what_a_stage_reads() -> None:
    found = {entry.asset: [one.asset for one in stage_list.upstream(entry)] for entry in STAGES}
    assert found == {
        "recordings": [],
        "speaker_turns": ["recordings"],
        "denoised_turns": ["recordings", "speaker_turns"],
        "hypotheses": ["recordings", "speaker_turns"],
        "transcripts": ["recordings", "speaker_turns", "hypotheses"],
        "aligned_segments": ["recordings", "transcripts"],
        "scored_segments": ["recordings", "speaker_turns", "denoised_turns", "transcripts", "aligned_segments"],
        "dialect_segments": ["recordings", "scored_segments"],
    }


def test_an_unknown_stage_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="no stage is called 'transcibe'; there are ingest, diarize"):
        build_stage("transcibe", Settings())
