"""Stage score on studio speech with its true times: the sound of segments, their scores, their grades, every second."""

from __future__ import annotations

import pickle
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline import ledger
from pipeline.audio import clips
from pipeline.lake.rows import Row, to_table
from pipeline.lake.tables import span_id
from pipeline.segment_audio import lay_in
from pipeline.settings import Score as ScoreSettings
from pipeline.settings import Settings
from pipeline.stage import Recording, Stage
from pipeline.stages.score import Score
from pipeline.text.romanize import romanize
from studio import scripts, synthesis, voices
from studio.noise import level_for_snr, noise

RATE = 22_050


@dataclass
class Scene:
    recording: Recording
    rows: dict[str, list[Row]]
    samples: np.ndarray

    @property
    def aligned_seconds(self) -> float:
        return sum(row["end"] - row["start"] for row in self.rows["alignments"])


def build_scene(folder: Path, encode, plan: list[tuple[int, float]], rate: int = RATE, snr: float = 30.0) -> Scene:
    """Sentences one after another: `plan` gives for each the voice (0, 1) and the seconds of pause after it."""
    draw = random.Random(2)
    cast = voices.cast(2, draw)
    pieces = [np.zeros(RATE // 2, np.float32)]
    rows: dict[str, list[Row]] = {"turns": [], "denoised": [], "transcripts": [], "alignments": []}
    for number, (voice, pause) in enumerate(plan):
        said = synthesis.speak(scripts.sentence("yue", draw), cast[voice], seed=number)
        start = sum(len(piece) for piece in pieces) / RATE
        end = start + said.duration
        turn = {"turn_id": span_id("rec", start, end), "recording_id": "rec", "start": start, "end": end}
        text = said.sentence.text
        rows["turns"].append(turn | {"local_speaker": f"S{voice}", "overlap_share": 0.05})
        rows["denoised"].append(turn | {"applied": False, "audio": None})
        transcript = turn | {"transcript_id": turn["turn_id"], "text": text, "decision": "keep"}
        asr = {"asr_avg_logprob": -0.2 - 0.1 * number, "asr_no_speech_prob": 0.01 * number}
        rows["transcripts"].append(
            transcript
            | asr
            | {
                "language_probability": None,
                "confidence": 0.9,
                "agreement": None,
                "asr_compression_ratio": 1.0 + 0.1 * number,
            }
        )
        characters = [
            {"char": span.character, "start": start + span.start, "end": start + span.end, "score": 0.8}
            for span in said.spans
        ]
        readings = " ".join(token.reading for token in romanize(text, "yue"))
        rows["alignments"].append(transcript | {"romanization": readings, "characters": characters})
        pieces += [said.samples, np.zeros(round(pause * RATE), np.float32)]
    samples = clips.resample(np.concatenate(pieces), RATE, rate)
    hiss = noise("pink", len(samples), rate, np.random.default_rng(0))
    samples = (samples + hiss * level_for_snr(samples, np.abs(samples) > 1e-4, snr)).astype(np.float32)
    path = encode(folder / f"scene{rate}.wav", samples, rate)
    recording = Recording("yue/a.wav", str(path), "b1", "yue", "radio", "rec", len(samples) / rate, rate)
    rows["recordings"] = [{"recording_id": "rec", "consent_id": "c1", "metadata": {"region": "Foshan"}}]
    return Scene(recording, rows, samples)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, encode) -> Scene:
    """Voice 0 says two sentences, voice 1 two, voice 0 one more."""
    plan = [(0, 0.4), (0, 0.6), (1, 0.3), (1, 2.5), (0, 0.5)]
    return build_scene(tmp_path_factory.mktemp("score"), encode, plan)


@pytest.fixture(scope="module")
def stage() -> Score:
    built = Score(Settings(score=ScoreSettings(min_seconds=1.5, target_seconds=12.0)))
    built.load()
    return built


def check_table(rows: list[Row]) -> None:
    to_table("segments", [row | {"batch": "b1", "provenance": "p"} for row in rows])


def test_the_stage_is_cheap_and_picklable() -> None:
    built = pickle.loads(pickle.dumps(Score(Settings())))
    assert isinstance(built, Stage)
    assert built.parameters()["policy"] == "emilia"


def test_segments_carry_their_sound_their_text_and_their_scores(stage: Score, scene: Scene) -> None:
    result = stage.process(scene.recording, scene.rows)
    check_table(result.rows)
    alignments = scene.rows["alignments"]
    assert [row["text"] for row in result.rows] == [
        alignments[0]["text"] + alignments[1]["text"],
        alignments[2]["text"] + alignments[3]["text"],
        alignments[4]["text"],
    ]
    assert [row["local_speaker"] for row in result.rows] == ["S0", "S1", "S0"]
    for row in result.rows:
        assert row["decision"] == "keep", row["drop_reason"]
        samples, rate = clips.decode_bytes(row["audio"]["bytes"])
        assert rate == row["sample_rate"] == RATE
        original = scene.samples[round(row["start"] * RATE) : round(row["end"] * RATE)]
        np.testing.assert_allclose(samples, original, atol=2 / 32768)
        assert row["duration"] == pytest.approx(row["end"] - row["start"])
        assert row["text_normalized"] == "".join(character["char"] for character in row["characters"])
        assert len(row["romanization"].split(" ")) == len(row["characters"])
        assert row["speaking_rate"] == pytest.approx(len(row["characters"]) / row["duration"])
        assert row["align_score"] == pytest.approx(0.8)
        assert 0.03 <= row["overlap_share"] <= 0.05
        assert all(1.0 <= row[name] <= 5.0 for name in ("dnsmos_ovrl", "dnsmos_sig", "dnsmos_bak", "dnsmos_p808"))
        assert row["snr_db"] == pytest.approx(30.0, abs=6.0)
        assert 4000 < row["bandwidth_hz"] <= RATE / 2
        assert -35 < row["loudness_lufs"] < -15
        assert row["tier"] == ("keep" if row["dnsmos_ovrl"] >= 3.0 else "below")
        assert (row["consent_id"], row["metadata"]) == ("c1", [("region", "Foshan")])
    spans = [row["end"] - row["start"] for row in alignments[:2]]
    assert result.rows[0]["asr_avg_logprob"] == pytest.approx((-0.2 * spans[0] - 0.3 * spans[1]) / sum(spans))
    assert result.rows[0]["asr_no_speech_prob"] == pytest.approx(0.01)
    assert result.rows[0]["asr_compression_ratio"] == pytest.approx(1.1)
    assert result.rows[0]["language_probability"] is None
    assert result.rows[0]["confidence"] == pytest.approx(0.9)
    assert [entry.outcome for entry in result.ledger] == ["passed"]
    assert ledger.imbalance(result.ledger, scene.aligned_seconds) < 1e-6


def test_hard_rules_drop_with_a_reason_without_sound_and_the_seconds_add_up(stage: Score, scene: Scene) -> None:
    rows = dict(scene.rows)
    rows["turns"] = [turn | {"overlap_share": 0.5 if turn["local_speaker"] == "S1" else 0.0} for turn in rows["turns"]]
    strict = Score(
        Settings(score=ScoreSettings(min_seconds=scene.rows["turns"][4]["end"] - rows["turns"][4]["start"] + 1))
    )
    strict.load()
    result = strict.process(scene.recording, rows)
    check_table(result.rows)
    reasons = [row["drop_reason"] for row in result.rows]
    assert reasons[1:] == ["overlap", "too_short"]
    assert all(row.get("audio") is None and row.get("tier") is None for row in result.rows[1:])
    assert {entry.reason for entry in result.ledger if entry.outcome == "dropped"} == {"overlap", "too_short"}
    assert ledger.imbalance(result.ledger, scene.aligned_seconds) < 1e-6


def test_refused_alignments_are_neither_used_nor_talked_over(stage: Score, scene: Scene) -> None:
    rows = dict(scene.rows)
    refused = rows["alignments"][1]
    rows["alignments"] = [row | {"decision": "drop"} if row is refused else row for row in rows["alignments"]]
    result = stage.process(scene.recording, rows)
    assert all(row["end"] <= refused["start"] or row["start"] >= refused["end"] for row in result.rows)
    assert ledger.imbalance(result.ledger, scene.aligned_seconds - (refused["end"] - refused["start"])) < 1e-6


def test_tts4_grades_by_its_own_tiers(scene: Scene) -> None:
    stage = Score(Settings(score=ScoreSettings(policy="tts4", min_seconds=1.5)))
    stage.load()
    rows = stage.process(scene.recording, scene.rows).rows
    assert {row["tier"] for row in rows} <= {"premium", "standard", "basic", "rest"}
    assert {row["decision"] for row in rows} == {"keep"}


def test_denoised_turns_are_laid_into_the_segment_and_never_mixed_with_others(
    stage: Score, tmp_path: Path, encode
) -> None:
    scene = build_scene(tmp_path, encode, [(0, 0.4), (0, 0.4), (0, 0.5)], snr=10.0)
    clean = build_scene(tmp_path / "clean", encode, [(0, 0.4), (0, 0.4), (0, 0.5)], snr=60.0)
    rows = dict(scene.rows)
    rows["denoised"] = []
    for number, turn in enumerate(rows["turns"]):
        sound = clean.samples[round(turn["start"] * RATE) : round(turn["end"] * RATE)]
        applied = number < 2
        rows["denoised"].append(
            turn
            | {"applied": applied, "audio": {"bytes": clips.encode_flac(sound, RATE), "path": "t"} if applied else None}
        )
    first, second = stage.process(scene.recording, rows).rows
    assert (first["denoised"], second["denoised"]) == (True, False)
    assert first["snr_db"] > second["snr_db"] + 20
    samples, _ = clips.decode_bytes(first["audio"]["bytes"])
    gap = slice(
        round((rows["turns"][0]["end"] - first["start"] + 0.05) * RATE),
        round((rows["turns"][1]["start"] - first["start"] - 0.05) * RATE),
    )
    assert np.sqrt(np.mean(samples[gap] ** 2)) < 0.002
    middle = round((rows["turns"][1]["start"] + 0.3) * RATE)
    begin = middle - round(first["start"] * RATE)
    np.testing.assert_allclose(samples[begin : begin + 4000], clean.samples[middle : middle + 4000], atol=3 / 32768)


def test_laying_in_fades_over_and_lowers_what_is_around() -> None:
    rng = np.random.default_rng(0)
    noisy = rng.normal(0, 0.1, 48_000).astype(np.float32)
    quiet = (0.01 * noisy[12_000:36_000]).astype(np.float32)
    laid = lay_in(noisy, [(12_000, quiet)], 16_000)
    np.testing.assert_allclose(laid[12_100:35_900], quiet[100:-100], atol=1e-7)
    assert np.std(laid[:12_000]) == pytest.approx(0.001, rel=0.1)
    assert np.abs(np.diff(laid)).max() < 0.01
    assert lay_in(noisy, [], 16_000) == pytest.approx(noisy)


def test_a_96_khz_recording_is_stored_at_48_khz(stage: Score, tmp_path: Path, encode) -> None:
    scene = build_scene(tmp_path, encode, [(0, 0.3)], rate=96_000)
    (row,) = stage.process(scene.recording, scene.rows).rows
    samples, rate = clips.decode_bytes(row["audio"]["bytes"])
    assert rate == row["sample_rate"] == 48_000
    assert len(samples) == pytest.approx(row["duration"] * 48_000, abs=2)
