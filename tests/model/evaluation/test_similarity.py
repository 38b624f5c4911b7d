"""The embedded speaker embedding tells a voice from the others, by reference and by centroid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.evaluation.similarity import Similarity, centroid, mean_direction
from model.evaluation.utterance import NotMeasured, Utterance
from pipeline.errors import ModelUnavailable
from pipeline.recognition.pyannote import SAMPLE_RATE, SpeakerEmbedding
from pipeline.settings import Settings

VOICES = (0, 9, 20, 27)


@pytest.fixture(scope="module")
def embedding() -> SpeakerEmbedding:
    return SpeakerEmbedding(Settings().diarize.checkpoint)


@pytest.fixture(scope="module")
def metric(embedding: SpeakerEmbedding, say) -> Similarity:
    clips = {voice: [say("cmn", voice, 100 + number) for number in range(3)] for voice in VOICES}
    return Similarity(
        embedding,
        {own[0].speaker_id: centroid(embedding, [clip.at(SAMPLE_RATE) for clip in own]) for own in clips.values()},
    )


def _with_reference(said: Utterance, reference: Utterance) -> Utterance:
    return replace(said, reference=reference.samples, reference_rate=reference.sample_rate)


def test_a_voice_is_nearer_to_its_own_reference_and_centroid_than_to_others(say, metric: Similarity):
    for voice in VOICES:
        said = say("cmn-tianjin", voice, 200 + voice)
        own = metric.measure(_with_reference(said, say("cmn", voice, 110)))
        assert own.values["own_voice"] == 1.0
        assert own.values["centroid_similarity"] > own.values["other_similarity"]
        wrong = metric.measure(_with_reference(said, say("cmn", VOICES[voice == VOICES[0]], 110)))
        assert wrong.values["similarity"] < own.values["similarity"]
        assert own.details["nearest_other"] != said.speaker_id


def test_a_clip_is_wholly_similar_to_itself(say, metric: Similarity):
    said = say("cmn", 9, 100)
    assert metric.measure(_with_reference(said, said)).values["similarity"] == pytest.approx(1.0, abs=1e-5)


def test_what_is_missing_is_named(say, embedding: SpeakerEmbedding):
    found = Similarity(embedding).measure(say("cmn", 0, 1))
    assert not found.values
    assert found.notes["similarity"] == "there is no reference clip"
    assert set(found.notes) == set(Similarity.gives)


def test_clips_without_a_voice_are_not_measured(metric: Similarity):
    with pytest.raises(NotMeasured, match="too few"):
        metric.measure(Utterance("blip", "cmn", "好", np.ones(100, np.float32), SAMPLE_RATE))


def test_the_mean_direction_does_not_go_by_length():
    mean = mean_direction(np.array([[100.0, 0.0], [0.0, 1.0]], np.float32))
    assert mean == pytest.approx([0.5**0.5, 0.5**0.5])


def test_a_missing_checkpoint_is_named():
    with pytest.raises(ModelUnavailable, match="not-there"):
        SpeakerEmbedding("checkpoints/not-there")
