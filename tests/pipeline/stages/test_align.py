"""Stage align on studio speech: characters where they are heard in the recording, bad fits refused, seconds kept."""

from __future__ import annotations

import pickle
import random
from dataclasses import dataclass

import numpy as np
import pytest

from pipeline import ledger
from pipeline.errors import ModelUnavailable
from pipeline.lake.rows import Row, to_table
from pipeline.lake.tables import span_id
from pipeline.settings import Align as AlignSettings
from pipeline.settings import Settings
from pipeline.stage import Recording, Stage
from pipeline.stages.align import Align
from studio import scripts, synthesis, voices
from studio.noise import level_for_snr, noise

RATE = 22_050
GAP = 0.7


@dataclass
class Scene:
    recording: Recording
    transcripts: list[Row]
    truth: list[list[tuple[str, float, float]]]
    samples: np.ndarray


def transcript(scene_id: str, start: float, end: float, text: str, **facts: object) -> Row:
    row = {
        "transcript_id": span_id(scene_id, start, end),
        "turn_id": f"turn-{start:.2f}",
        "recording_id": scene_id,
        "start": start,
        "end": end,
        "covered_seconds": end - start,
        "text": text,
        "decision": "keep",
    }
    return row | facts


@pytest.fixture(scope="module", params=["yue", "cmn-sichuan"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, encode) -> Scene:
    """Four held-out sentences of two held-out voices, one after another, at 25 dB SNR."""
    draw = random.Random(5)
    cast = voices.cast(2, draw, held_out=True)
    pieces, transcripts, truth = [np.zeros(RATE, np.float32)], [], []
    for number in range(4):
        sentence = scripts.sentence(request.param, draw, held_out=True)
        said = synthesis.speak(sentence, cast[number % 2], seed=number)
        start = sum(len(piece) for piece in pieces) / RATE
        transcripts.append(transcript("rec", start, start + said.duration, sentence.text))
        truth.append([(span.character, start + span.start, start + span.end) for span in said.spans])
        pieces += [said.samples, np.zeros(round(GAP * RATE), np.float32)]
    samples = np.concatenate(pieces)
    hiss = noise("pink", len(samples), RATE, np.random.default_rng(0))
    samples = samples + hiss * level_for_snr(samples, np.abs(samples) > 1e-4, 25.0)
    path = encode(tmp_path_factory.mktemp("align") / "scene.wav", samples, RATE)
    recording = Recording("x/scene.wav", str(path), "b1", request.param, "x", "rec", len(samples) / RATE, RATE)
    return Scene(recording, transcripts, truth, samples)


@pytest.fixture(scope="module")
def stage() -> Align:
    built = Align(Settings())
    built.load()
    return built


def test_the_stage_is_cheap_picklable_and_names_its_checkpoint() -> None:
    built = pickle.loads(pickle.dumps(Align(Settings())))
    assert isinstance(built, Stage)
    assert len(built.parameters()["checkpoint"]) == 64
    assert "device" not in built.parameters()


def test_a_missing_checkpoint_stops_the_stage_and_names_the_key() -> None:
    stage = Align(Settings(align=AlignSettings(checkpoint="checkpoints/no-such-aligner")))
    with pytest.raises(ModelUnavailable, match=r"\[align\] checkpoint.*no-such-aligner"):
        stage.load()


def test_characters_are_found_where_they_are_spoken_in_the_recording(stage: Align, scene: Scene) -> None:
    result = stage.process(scene.recording, {"transcripts": scene.transcripts})
    to_table("alignments", [row | {"batch": "b1", "provenance": "p"} for row in result.rows])
    errors = []
    for row, truth in zip(result.rows, scene.truth, strict=True):
        assert row["decision"] == "keep", row["drop_reason"]
        assert [character["char"] for character in row["characters"]] == [char for char, _, _ in truth]
        assert len(row["romanization"].split(" ")) == len(truth)
        assert row["start"] <= row["characters"][0]["start"]
        assert row["characters"][-1]["end"] <= row["end"]
        for character, (_, start, end) in zip(row["characters"], truth, strict=True):
            errors += [abs(character["start"] - start), abs(character["end"] - end)]
    assert np.median(errors) <= 0.02
    assert np.quantile(errors, 0.95) <= 0.12
    passed = sum(row["end"] - row["start"] for row in scene.transcripts)
    assert [entry.outcome for entry in result.ledger] == ["passed"]
    assert ledger.imbalance(result.ledger, passed) < 1e-6


def test_wrong_text_is_refused_with_a_reason_and_stays_in_the_table(scene: Scene) -> None:
    stage = Align(Settings(align=AlignSettings(min_score=0.6)))
    stage.load()
    first, second, third, fourth = scene.transcripts
    rows = [
        first | {"text": "欢迎大家明天早上来参加我们的会议"},
        second | {"text": "……！"},
        third | {"text": fourth["text"] * 30},
        fourth | {"decision": "drop", "drop_reason": "loop"},
    ]
    result = stage.process(scene.recording, {"transcripts": rows})
    assert len(result.rows) == 3
    assert [row["decision"] for row in result.rows] == ["drop"] * 3
    assert result.rows[0]["drop_reason"] in {"align_score", "align_coverage", "align_long_character", "align_rate"}
    assert result.rows[1]["drop_reason"] == "align_no_text"
    assert result.rows[2]["drop_reason"] == "align_impossible"
    to_table("alignments", [row | {"batch": "b1", "provenance": "p"} for row in result.rows])
    assert {entry.outcome for entry in result.ledger} == {"dropped"}
    assert ledger.imbalance(result.ledger, sum(row["end"] - row["start"] for row in rows[:3])) < 1e-6


def test_a_recording_without_transcripts_is_no_work(stage: Align, scene: Scene) -> None:
    result = stage.process(scene.recording, {"transcripts": []})
    assert (result.rows, result.ledger) == ([], [])
