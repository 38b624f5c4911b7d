"""Rows of the corpus come back as utterances whose characters are where they were."""

from __future__ import annotations

from typing import Any

import pytest

from model.evaluation.corpus_speech import from_segment, paces
from model.evaluation.judges import open_models
from pipeline.audio import clips
from pipeline.errors import ModelUnavailable
from pipeline.settings import Settings


def _row(said: Any, start: float) -> dict[str, Any]:
    characters = [
        {"char": span.character, "start": start + span.start, "end": start + span.end, "score": 0.9}
        for span in said.spans
    ]
    return {
        "segment_id": "s",
        "dialect": said.sentence.dialect,
        "text": said.sentence.text,
        "start": start,
        "characters": characters,
        "romanization": " ".join(said.sentence.syllables),
        "speaker_id": "spk",
        "audio": {"bytes": clips.encode_flac(said.samples, said.sample_rate), "path": "s.flac"},
        "sample_rate": said.sample_rate,
    }


def test_a_segment_keeps_its_characters_in_the_time_of_the_clip(studio_says):
    said = studio_says("cmn-tianjin", 1, 41)
    found = from_segment(_row(said, 120.5))
    assert found.spans is not None
    assert [span.start for span in found.spans] == pytest.approx([span.start for span in said.spans])
    assert [span.reading for span in found.spans] == list(said.sentence.syllables)
    assert found.samples == pytest.approx(said.samples, abs=1e-4)
    assert paces([found]) == {"cmn-tianjin": pytest.approx(len(said.spans) / said.duration)}


def test_an_unread_character_has_no_reading(studio_says):
    said = studio_says("cmn-tianjin", 1, 41)
    row = _row(said, 0.0)
    row["romanization"] = " ".join(["?", *said.sentence.syllables[1:]])
    assert from_segment(row).readings[0] == ""


def test_rows_that_do_not_fit_are_refused_by_id(studio_says):
    row = _row(studio_says("cmn-tianjin", 1, 41), 0.0)
    with pytest.raises(ValueError, match="segment s has no audio"):
        from_segment(row | {"audio": None})
    with pytest.raises(ValueError, match="segment s has 1 readings"):
        from_segment(row | {"romanization": "ma1"})


def test_a_missing_aligner_is_named_by_its_key():
    with pytest.raises(ModelUnavailable, match=r"\[align\] checkpoint = 'checkpoints/not-there'"):
        open_models(Settings.model_validate({"align": {"checkpoint": "checkpoints/not-there"}}))
