"""Turns, overlap, chapters and speakers: the arithmetic by example, the stage with the embedded checkpoint on truth."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from pipeline import chapters
from pipeline.audio import clips
from pipeline.chapters import SpeakerJoin
from pipeline.errors import ModelUnavailable
from pipeline.lake.tables import TURNS, span_id
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, StageResult
from pipeline.stages.diarize import Diarize, Turn, bounded, ledger, merged, overlap_shares, spoken, without_snippets
from studio import scripts
from studio.synthesis import speak
from studio.voices import nominal_pitch, voices

RATE = 16_000


def _vector(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def _recording(path: Path, samples: np.ndarray) -> Recording:
    path.write_bytes(clips.encode_flac(samples, RATE))
    return Recording("cmn/a/x.flac", str(path), "b", "cmn", "a", "r", samples.size / RATE, RATE)


def test_a_speaker_who_goes_on_after_a_breath_keeps_the_turn():
    turns = [Turn(0.0, 1.0, "a"), Turn(1.2, 2.0, "a"), Turn(2.4, 3.0, "a"), Turn(3.0, 4.0, "b"), Turn(4.1, 5.0, "a")]
    assert merged(turns) == [Turn(0.0, 2.0, "a"), Turn(2.4, 3.0, "a"), Turn(3.0, 4.0, "b"), Turn(4.1, 5.0, "a")]


def test_a_snippet_of_somebody_else_does_not_end_a_turn():
    turns = [Turn(0.0, 2.0, "a"), Turn(2.0, 2.1, "b"), Turn(2.1, 4.0, "a"), Turn(5.0, 5.1, "b"), Turn(6.0, 7.0, "a")]
    kept = without_snippets(turns, 0.2)
    assert kept == [Turn(0.0, 4.0, "a"), Turn(6.0, 7.0, "a")]
    seconds = {entry.reason: entry.seconds for entry in ledger(8.0, turns, kept)}
    assert seconds == pytest.approx({"": 5.0, "turn_too_short": 0.1, "non_speech": 2.9})


def test_a_turn_of_noise_alone_is_nobodys():
    said = speak(scripts.sentence("cmn", random.Random(3)), voices(held_out=True)[0])
    speech = clips.resample(said.samples, said.sample_rate, 16_000)
    hum = 0.05 * np.random.default_rng(2).standard_normal(3 * 16_000).astype(np.float32)
    samples = np.concatenate([speech, hum])
    edge = speech.size / 16_000
    turns = [Turn(0.1, edge - 0.1, "a"), Turn(edge + 0.5, edge + 2.9, "b")]
    assert spoken(turns, samples, 0.3) == turns[:1]
    assert spoken(turns, samples, 0.0) == turns
    assert spoken([], samples, 0.3) == []


def test_turns_stay_inside_the_recording_and_off_each_other():
    turns = [Turn(-0.02, 1.00049, "a"), Turn(1.0, 2.0, "b"), Turn(1.9, 1.95, "c"), Turn(2.9, 3.4, "a")]
    assert bounded(turns, 3.0007) == [Turn(0.0, 1.0, "a"), Turn(1.0, 2.0, "b"), Turn(2.9, 3.0, "a")]


def test_overlap_counts_others_once_and_never_the_speaker():
    turns = [Turn(0.0, 10.0, "a"), Turn(10.0, 12.0, "b")]
    said = [
        Turn(0.0, 10.5, "a"),
        Turn(4.0, 6.0, "b"),
        Turn(5.0, 7.0, "c"),
        Turn(10.0, 12.0, "b"),
        Turn(30.0, 31.0, "c"),
    ]
    assert overlap_shares(turns, said) == pytest.approx([0.3, 0.25])


@pytest.mark.parametrize("block", [777, 16_000, 1_000_000])
def test_chapters_give_every_sample_once_and_begin_in_the_pauses(block: int):
    random_numbers = np.random.default_rng(0)
    speech = (0.1 * random_numbers.standard_normal(100 * RATE)).astype(np.float32)
    pauses = [(26.0, 26.8), (47.5, 48.3), (77.0, 77.9)]
    for begin, end in pauses:
        speech[round(begin * RATE) : round(end * RATE)] *= 0.001
    blocks = (speech[at : at + block] for at in range(0, speech.size, block))
    cut = list(chapters.cut(blocks, RATE, 100.0, 25.0))
    assert len(cut) == 4
    np.testing.assert_array_equal(np.concatenate([samples for _, samples in cut]), speech)
    for (start, _), (begin, end) in zip(cut[1:], pauses, strict=True):
        assert begin < start < end
    assert max(samples.size for _, samples in cut) <= (25.0 + 2 * 2.5) * RATE


def test_a_recording_that_fits_is_one_chapter():
    samples = np.ones(3 * RATE, np.float32)
    [(start, whole)] = chapters.cut(iter([samples[:RATE], samples[RATE:]]), RATE, 3.0, 3.0)
    assert start == 0.0
    assert whole.size == samples.size


def test_a_long_recording_is_cut_in_the_memory_of_a_chapter():
    minutes, block = 30, np.zeros(10 * RATE, np.float32)
    tracemalloc.start()
    lengths = [
        samples.size for _, samples in chapters.cut((block for _ in range(minutes * 6)), RATE, minutes * 60, 120)
    ]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(lengths) == minutes // 2
    assert peak < 5 * 120 * RATE * 4


def test_speakers_are_joined_across_chapters_by_direction():
    join = SpeakerJoin(0.6)
    first = join.add({"x": (_vector(1, 0, 0), 10.0), "y": (_vector(0, 2, 0), 5.0)})
    second = join.add({"x": (_vector(0.1, 3, 0), 5.0), "y": (_vector(0, 0, 1), 1.0)})
    assert first == {"x": "SPEAKER_00", "y": "SPEAKER_01"}
    assert second == {"x": "SPEAKER_01", "y": "SPEAKER_02"}
    joined = join.embeddings()["SPEAKER_01"]
    assert joined is not None
    np.testing.assert_allclose(joined, [0.05, 2.5, 0], atol=1e-6)


def test_two_speakers_of_one_chapter_are_never_one():
    join = SpeakerJoin(0.6)
    join.add({"x": (_vector(1, 0), 10.0)})
    names = join.add({"x": (_vector(1, 0.1), 10.0), "y": (_vector(1, 0), 10.0)})
    assert names == {"y": "SPEAKER_00", "x": "SPEAKER_01"}


def test_a_speaker_without_an_embedding_is_somebody_else():
    join = SpeakerJoin(-1.0)
    join.add({"x": (None, 1.0)})
    assert join.add({"x": (_vector(1, 0), 1.0), "y": (None, 2.0)}) == {"x": "SPEAKER_01", "y": "SPEAKER_02"}
    assert join.embeddings()["SPEAKER_00"] is None


def test_silence_has_no_turns_and_all_its_time_is_accounted_for(tmp_path: Path):
    recording = _recording(tmp_path / "x.flac", np.zeros(5 * RATE, np.float32))
    result = Diarize(Settings()).process(recording, {"recordings": []})
    assert result == StageResult([], [LedgerEntry("dropped", 5.0, "non_speech")])


def test_a_missing_checkpoint_is_named():
    stage = Diarize(Settings.model_validate({"diarize": {"checkpoint": "checkpoints/not-there"}}))
    with pytest.raises(ModelUnavailable, match=r"\[diarize\] checkpoint = 'checkpoints/not-there'"):
        stage.load()


def test_a_folder_that_is_no_pipeline_is_named(tmp_path: Path):
    (tmp_path / "config.yaml").write_text("nothing: here\n")
    stage = Diarize(Settings.model_validate({"diarize": {"checkpoint": str(tmp_path)}}))
    with pytest.raises(ModelUnavailable, match="does not load"):
        stage.load()


Span = tuple[float, float, str]


def _conversation(seconds: float, snr_db: float = 25.0, seed: int = 4) -> tuple[np.ndarray, list[Span]]:
    """Three held-out voices in turn with pauses and a little noise: samples (T,) at 16 kHz and who speaks when."""
    draw = random.Random(seed)
    by_pitch = sorted(voices(held_out=True), key=nominal_pitch)
    people = [by_pitch[2], by_pitch[len(by_pitch) // 2], by_pitch[-3]]
    pieces, spans, at, last = [np.zeros(RATE // 2, np.float32)], [], 0.5, None
    while at < seconds:
        last = draw.choice([voice for voice in people if voice is not last])
        utterance = speak(scripts.sentence("cmn", draw, held_out=True), last)
        samples = clips.resample(utterance.samples, utterance.sample_rate, RATE)
        spans.append((at + utterance.spans[0].start, at + utterance.spans[-1].end, last.voice_id))
        pause = np.zeros(round(draw.uniform(0.3, 0.9) * RATE), np.float32)
        pieces += [samples, pause]
        at += (samples.size + pause.size) / RATE
    joined = np.concatenate(pieces)
    noise = np.random.default_rng(seed).standard_normal(joined.size).astype(np.float32)
    return joined + noise * np.float32(np.sqrt(np.mean(joined**2)) / 10 ** (snr_db / 20)), spans


def _error_rate(result: StageResult, spans: list[Span]) -> float:
    """Diarization error rate without a collar."""
    from pyannote.core import Annotation, Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    truth, found = Annotation(), Annotation()
    for start, end, speaker in spans:
        truth[Segment(start, end)] = speaker
    for row in result.rows:
        found[Segment(row["start"], row["end"])] = row["local_speaker"]
    everything = Timeline([Segment(0.0, max(span[1] for span in spans) + 1.0)])
    rate = DiarizationErrorRate(collar=0.0)(truth, found, uem=everything)
    assert isinstance(rate, float)
    return rate


@pytest.fixture(scope="module")
def stage() -> Diarize:
    stage = Diarize(Settings())
    stage.load()
    return stage


def test_a_conversation_is_told_apart_and_every_second_accounted_for(tmp_path: Path, stage: Diarize):
    samples, spans = _conversation(45.0)
    recording = _recording(tmp_path / "x.flac", samples)
    result = stage.process(recording, {"recordings": []})
    assert _error_rate(result, spans) < 0.25
    assert sum(entry.seconds for entry in result.ledger) == pytest.approx(recording.duration, abs=1e-6)
    passed = sum(entry.seconds for entry in result.ledger if entry.outcome == "passed")
    assert passed == pytest.approx(sum(row["end"] - row["start"] for row in result.rows), abs=1e-6)
    reached = 0.0
    for row in result.rows:
        assert set(row) == set(TURNS.names) - {"batch", "provenance"}
        assert row["turn_id"] == span_id("r", row["start"], row["end"])
        assert reached <= row["start"] < row["end"] <= recording.duration
        assert 0.0 <= row["overlap_share"] <= 1.0
        reached = row["end"]
    one_each = {row["local_speaker"]: tuple(row["embedding"]) for row in result.rows if row["embedding"] is not None}
    assert len(one_each) >= 2
    assert all(row["embedding"] in (None, list(one_each[row["local_speaker"]])) for row in result.rows)


def test_chapters_change_little_and_speakers_keep_their_names(tmp_path: Path, stage: Diarize):
    samples, spans = _conversation(60.0)
    recording = _recording(tmp_path / "x.flac", samples)
    short = Diarize(Settings.model_validate({"diarize": {"chapter_minutes": 0.5}}))
    short._pipeline = stage._pipeline
    result = short.process(recording, {"recordings": []})
    assert _error_rate(result, spans) < 0.25
    assert sum(entry.seconds for entry in result.ledger) == pytest.approx(recording.duration, abs=1e-6)
    halves = [{row["local_speaker"] for row in result.rows if (row["start"] > 32) == late} for late in (False, True)]
    assert halves[0] & halves[1]
