"""The demo's second judge hears the sounds anew and compares with what was really said, not with the corpus's text."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from model.validation.compared import BASE, FINE_TUNED
from pipeline.audio.clips import encode_flac
from pipeline.errors import ModelUnavailable
from pipeline.lake.lake import Lake
from pipeline.project import PROJECT
from pipeline.settings import Settings
from studio.judge import second_opinion
from studio.scripts import sentence
from studio.synthesis import speak
from studio.truth import Character, Truth
from studio.voices import voices

SOURCE = "cmn/scenes/a.wav"
EMBEDDED = PROJECT / "checkpoints" / "whisper-micro"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """One spoken sentence: a corpus segment whose text is wrong, and a validation sentence of two systems."""
    root = tmp_path_factory.mktemp("judged")
    spoken = speak(sentence("cmn", random.Random(3)), voices()[0], 3)
    audio = {"bytes": encode_flac(spoken.samples, spoken.sample_rate), "path": "a.flac"}
    end = len(spoken.samples) / spoken.sample_rate
    base = {"recording_id": "r", "batch": "b00001", "provenance": "p"}
    segment = base | {
        "segment_id": "s",
        "turn_id": "t",
        "dialect": "cmn",
        "start": 0.0,
        "end": end,
        "duration": end,
        "audio": audio,
    }
    lake = Lake(root / "lake")
    lake.write("recordings", "b00001", [base | {"source": SOURCE, "dialect": "cmn", "status": "ok"}])
    wrong = {"text": "完全不对", "romanization": "", "characters": [], "decision": "keep"}
    lake.write("segments", "b00001", [segment | wrong])
    lake.write("corpus", "all", [{"segment_id": "s", "recording_id": "r", "decision": "keep"}])
    said = {"text": spoken.sentence.text, "dialect": "cmn-tianjin", "purpose": "quality", "audio": audio}
    systems = ((BASE, "m0"), (FINE_TUNED, "m1"))
    rows = [said | {"utterance_id": "u", "system": system, "model_id": model} for system, model in systems]
    lake.write("validation_set", "cmn-tianjin", rows)
    return root


def test_the_second_judge_compares_with_the_truth_and_both_voices_with_one_another(workspace: Path):
    spoken = speak(sentence("cmn", random.Random(3)), voices()[0], 3)
    characters = [
        Character(char, "A", span.start, span.end)
        for char, span in zip(spoken.sentence.characters, spoken.spans, strict=True)
    ]
    truths = {SOURCE: Truth(SOURCE, tuple(characters), ())}
    judge = second_opinion(Settings(workspace=workspace), truths, EMBEDDED)["judge"]
    assert judge["segments"]["cmn"] == judge["segments"]["all"]
    assert judge["segments"]["all"]["n"] == 1
    assert judge["segments"]["cmn"]["value"] <= 0.2
    assert judge[BASE] == judge[FINE_TUNED]
    assert judge["difference"]["value"] == 0.0


def test_a_judge_that_is_not_there_is_named(workspace: Path):
    with pytest.raises(ModelUnavailable, match="no-such-judge"):
        second_opinion(Settings(workspace=workspace), {}, workspace / "no-such-judge")
