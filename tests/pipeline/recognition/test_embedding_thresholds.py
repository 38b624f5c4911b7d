"""Similarities of speakers belong to the embedding: configuration, else the checkpoint, else the embedded one's."""

from __future__ import annotations

from pathlib import Path

from cli.checkpoint_findings import mismatches
from pipeline.recognition.thresholds import of_embedding, without_own
from pipeline.settings import Diarize, Settings, Speakers


def test_the_checkpoints_own_similarity_is_taken_unless_the_configuration_names_one(tmp_path: Path) -> None:
    (tmp_path / "thresholds.json").write_text('{"speakers": {"threshold": 0.4}}', encoding="utf-8")
    settings = Settings(diarize=Diarize(checkpoint=str(tmp_path)))
    assert of_embedding(settings, "speakers", "threshold") == 0.4
    assert of_embedding(settings, "diarize", "chapter_join_similarity") == 0.6
    named = Settings(diarize=Diarize(checkpoint=str(tmp_path)), speakers=Speakers(threshold=0.7))
    assert of_embedding(named, "speakers", "threshold") == 0.7


def test_doctor_warns_of_similarities_that_were_found_for_another_embedding(tmp_path: Path) -> None:
    assert without_own(Settings()) == []
    foreign = Settings(diarize=Diarize(checkpoint=str(tmp_path)))
    assert without_own(foreign) == ["[diarize] chapter_join_similarity", "[speakers] threshold"]
    found = [one.detail for one in mismatches(foreign) if one.subject == "diarize.checkpoint"]
    assert any(
        "has no thresholds.json for [diarize] chapter_join_similarity and [speakers] threshold" in one for one in found
    )
