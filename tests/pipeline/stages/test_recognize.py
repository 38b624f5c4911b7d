"""Chunks lie where speech is, and what the embedded recogniser hears comes back to the right place."""

from __future__ import annotations

import itertools
import random
import shutil
from dataclasses import replace
from pathlib import Path

import jiwer
import numpy as np
import pytest

from pipeline.audio import clips, vad
from pipeline.errors import BadRecording, ModelUnavailable
from pipeline.lake.rows import Row
from pipeline.lake.tables import HYPOTHESES, span_id
from pipeline.recognition.asr_filters import tokens
from pipeline.recognition.hypothesis import Word
from pipeline.settings import PROJECT, Settings
from pipeline.stage import Recording, StageResult
from pipeline.stages.recognize import Chunk, Recognize, _words
from pipeline.stretches import Stretch
from studio import scripts
from studio.speech import Utterance
from studio.synthesis import speak
from studio.voices import voices

RATE = 16_000


def _say(dialect: str, voice: int, seed: int) -> Utterance:
    return speak(scripts.sentence(dialect, random.Random(seed), held_out=True), voices(held_out=True)[voice])


def _at_rate(utterance: Utterance) -> np.ndarray:
    return clips.resample(utterance.samples, utterance.sample_rate, RATE)


def _recording(path: Path, samples: np.ndarray, dialect: str = "cmn") -> Recording:
    path.write_bytes(clips.encode_flac(samples, RATE))
    return Recording(f"{dialect}/a/x.flac", str(path), "b", dialect, "a", "r", samples.size / RATE, RATE)


def _turn(start: float, end: float, speaker: str = "SPEAKER_00") -> Row:
    start, end = round(start, 3), round(end, 3)
    turn_id = span_id("r", start, end)
    return {"turn_id": turn_id, "recording_id": "r", "start": start, "end": end, "local_speaker": speaker}


def _stage(**settings: object) -> Recognize:
    stage = Recognize(Settings.model_validate({"transcribe": settings}))
    stage.load()
    return stage


@pytest.fixture(scope="module")
def stage() -> Recognize:
    return _stage()


def _balanced(result: StageResult, turns: list[Row]) -> bool:
    given = sum(turn["end"] - turn["start"] for turn in turns)
    kept = sum(row["covered_seconds"] for row in result.rows if row["decision"] == "keep")
    passed = sum(entry.seconds for entry in result.ledger if entry.outcome == "passed")
    return abs(sum(entry.seconds for entry in result.ledger) - given) < 1e-6 and abs(passed - kept) < 1e-6


def test_spans_join_over_short_pauses_only():
    assert vad.merge([(0, 10), (12, 20), (40, 50)], 100, 5) == [(0, 20), (40, 50)]


def test_what_gets_too_long_is_cut_at_its_widest_late_pause():
    spans = [(0, 20), (29, 40), (42, 60), (65, 80), (81, 99), (101, 130)]
    assert vad.merge(spans, 100, 10) == [(0, 60), (65, 130)]


def test_without_a_late_pause_the_last_that_fits_is_cut():
    assert vad.merge([(0, 10), (11, 105), (106, 120)], 100, 5) == [(0, 10), (11, 105), (106, 120)]


@pytest.mark.parametrize("seed", range(20))
def test_chunks_never_lose_or_repeat_speech(seed: int):
    draw = random.Random(seed)
    spans, at = [], 0
    for _ in range(30):
        at += draw.randint(1, 8)
        spans.append((at, at := at + draw.randint(1, 40)))
    merged = vad.merge(spans, 100, 5)
    assert all(end - start <= 100 for start, end in merged)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(merged))
    assert all(any(start <= span[0] and span[1] <= end for start, end in merged) for span in spans)


def test_speech_is_found_and_long_pauses_are_not(tmp_path: Path):
    first, second = _at_rate(_say("cmn", 0, 1)), _at_rate(_say("yue", 9, 2))
    samples = np.concatenate([np.zeros(RATE), first, np.zeros(3 * RATE), second, np.zeros(RATE)]).astype(np.float32)
    chunks = vad.speech_chunks(samples, 30.0)
    assert len(chunks) == 2
    begins = [RATE, 4 * RATE + first.size]
    for (start, end), begin, speech in zip(chunks, begins, (first, second), strict=True):
        assert begin - 0.3 * RATE < start < begin + 0.3 * RATE
        assert begin + speech.size - 0.4 * RATE < end < begin + speech.size + 0.4 * RATE


def test_noise_is_no_speech():
    noise = 0.05 * np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32)
    assert vad.speech_chunks(noise, 30.0) == []


def test_word_times_stay_inside_the_chunk_and_in_order():
    chunk = Chunk(Stretch(()), 100.0, 102.0, np.zeros(0, np.float32))
    words = _words([Word("字", start, end, 0.5) for start, end in ((-0.02, 0.5), (0.4, 0.3), (1.9, 24.0))], chunk)
    times = [(word["start"], word["end"]) for word in words]
    assert times == [pytest.approx(pair) for pair in [(100.0, 100.5), (100.4, 100.4), (101.9, 102.0)]]


def test_a_missing_checkpoint_is_named():
    with pytest.raises(ModelUnavailable, match=r"\[transcribe\] checkpoint = 'checkpoints/not-there'"):
        _stage(checkpoint="checkpoints/not-there")


def test_a_folder_without_a_model_is_named(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match="does not load"):
        _stage(checkpoint=str(tmp_path))


@pytest.mark.parametrize("dialect", ["cmn", "yue"])
def test_sentences_of_a_conversation_come_back_in_their_places(tmp_path: Path, stage: Recognize, dialect: str):
    said = [_say(dialect, voice, seed) for seed, voice in enumerate((0, 9, 20, 4, 12))]
    pieces, turns, at = [np.zeros(RATE // 2, np.float32)], [], 0.5
    for number, utterance in enumerate(said):
        samples = _at_rate(utterance)
        turns.append(_turn(at, at + samples.size / RATE, f"SPEAKER_{number:02d}"))
        pieces += [samples, np.zeros(RATE // 2, np.float32)]
        at += samples.size / RATE + 0.5
    result = stage.process(_recording(tmp_path / "x.flac", np.concatenate(pieces), dialect), {"turns": turns})
    assert _balanced(result, turns)
    kept = [row for row in result.rows if row["decision"] == "keep"]
    assert [row["turn_id"] for row in kept] == [turn["turn_id"] for turn in turns]
    truth = ["".join(utterance.sentence.characters) for utterance in said]
    assert jiwer.cer(truth, ["".join(tokens(row["text"])) for row in kept]) < 0.15
    late = []
    for row, utterance, turn in zip(kept, said, turns, strict=True):
        assert set(row) == set(HYPOTHESES.names) - {"batch", "provenance", "given_line"}
        assert row["transcript_id"] == span_id("r", row["start"], row["end"])
        # Up to 0.4 s on each side is context, half of a pause between two speakers.
        assert turn["start"] - 0.4 <= row["start"] <= turn["start"] + 0.2 < row["end"] <= turn["end"] + 0.401
        assert row["language"] == {"cmn": "zh", "yue": "yue"}[dialect]
        assert row["language_probability"] > 0.5
        assert "".join(word["word"] for word in row["words"]).strip() == row["text"]
        assert all(row["start"] <= word["start"] <= word["end"] <= row["end"] for word in row["words"])
        if len(row["words"]) == len(utterance.spans):
            late += [
                abs(word["start"] - turn["start"] - span.start)
                for word, span in zip(row["words"], utterance.spans, strict=True)
            ]
    assert late
    assert np.median(late) < 0.2


def test_rows_of_a_group_are_those_of_its_recordings_one_by_one(tmp_path: Path, stage: Recognize):
    """Word for word and to the hundredth of a second; the probability of a word is a product of matrices that are as
    long as the longest text beside it, so its last bits differ."""
    recordings, turns = [], {}
    for number in range(6):
        samples = _at_rate(_say("yue" if number == 3 else "cmn", number, 40 + number))
        folder = tmp_path / str(number)
        folder.mkdir()
        made = _recording(folder / "x.flac", samples, "yue" if number == 3 else "cmn")
        recordings.append(replace(made, source=f"{number}.flac", recording_id=f"r{number}"))
        turns[f"r{number}"] = [_turn(0.0, samples.size / RATE)]
    recordings.insert(2, replace(recordings[0], source="gone.flac", recording_id="gone", path=str(tmp_path / "gone")))
    turns["gone"] = turns["r0"]
    together = stage.process_group(recordings, {"turns": turns})
    broken = together[2]
    assert isinstance(broken, BadRecording)
    assert broken.reason == "missing"
    for recording, found in zip(recordings, together, strict=True):
        if recording.recording_id == "gone":
            continue
        assert isinstance(found, StageResult)
        alone = stage.process(recording, {"turns": turns[recording.recording_id]})
        assert alone.ledger == found.ledger
        assert [_certain(row) for row in alone.rows] == [_certain(row) for row in found.rows]
        one, two = ([word["probability"] for row in rows for word in row["words"]] for rows in (alone.rows, found.rows))
        assert np.allclose(one, two, rtol=0, atol=1e-5)


def _certain(row: Row) -> Row:
    return row | {"words": [word | {"probability": None} for word in row["words"]]}


def test_batches_do_not_change_what_belongs_where(tmp_path: Path, stage: Recognize):
    said = [_at_rate(_say("cmn", voice, 10 + voice)) for voice in range(5)]
    turns, at = [], 0.0
    for samples in said:
        turns.append(_turn(at, at + samples.size / RATE))
        at += samples.size / RATE
    recording = _recording(tmp_path / "x.flac", np.concatenate(said))
    together = stage.process(recording, {"turns": turns}).rows
    by_two = _stage(batch_size=2).process(recording, {"turns": turns}).rows
    assert [_certain(row) for row in together] == [_certain(row) for row in by_two]


def test_noisy_speech_is_heard_as_it_was_recorded(tmp_path: Path, stage: Recognize):
    assert stage.reads == ("turns",)
    said = [_say("cmn", voice, 30 + voice) for voice in range(6)]
    truth = ["".join(utterance.sentence.characters) for utterance in said]
    samples = [_at_rate(utterance) for utterance in said]
    ends = np.cumsum([part.size for part in samples]) / RATE
    turns = [_turn(end - part.size / RATE, end) for part, end in zip(samples, ends, strict=True)]
    speech = np.concatenate(samples)
    noise = np.random.default_rng(0).standard_normal(speech.size).astype(np.float32)
    noise *= np.float32(np.sqrt(np.mean(speech**2)) / 10 ** (15 / 20))
    rows = stage.process(_recording(tmp_path / "x.flac", speech + noise), {"turns": turns}).rows
    assert jiwer.cer("".join(truth), "".join(tokens("".join(row["text"] for row in rows)))) < 0.2


def test_pauses_noise_and_snippets_are_dropped_by_name(tmp_path: Path, stage: Recognize):
    speech = _at_rate(_say("cmn", 0, 4))
    noise = 0.03 * np.random.default_rng(1).standard_normal(3 * RATE).astype(np.float32)
    pause = np.zeros(3 * RATE, np.float32)
    joined = np.concatenate([speech, pause, speech, noise])
    edges = np.cumsum([speech.size, pause.size, speech.size, noise.size]) / RATE
    turns = [_turn(0.0, edges[2]), _turn(edges[2], edges[3] - 0.3, "B"), _turn(edges[3] - 0.25, edges[3], "C")]
    result = stage.process(_recording(tmp_path / "x.flac", joined), {"turns": turns})
    assert _balanced(result, turns)
    assert [row["drop_reason"] for row in result.rows] == [None, None, "no_speech_found", "too_short"]
    lost = {entry.reason: entry.seconds for entry in result.ledger if entry.outcome == "dropped"}
    assert set(lost) == {"pause", "no_speech_found", "too_short"}
    # Of the pause of 3 s each sentence is heard with 0.4 s.
    assert lost["pause"] == pytest.approx(2.2, abs=0.6)
    assert lost["too_short"] == pytest.approx(0.25, abs=2e-3)


def test_no_turns_give_no_rows(tmp_path: Path, stage: Recognize):
    recording = _recording(tmp_path / "x.flac", np.zeros(RATE, np.float32))
    assert stage.process(recording, {"turns": []}) == StageResult([], [])


def test_an_unknown_dialect_is_a_bad_recording(tmp_path: Path, stage: Recognize):
    recording = _recording(tmp_path / "x.flac", np.zeros(RATE, np.float32), "klingon")
    with pytest.raises(BadRecording) as caught:
        stage.process(recording, {"turns": []})
    assert caught.value.reason == "unknown_dialect"


def _hesitant(path: Path) -> tuple[Recording, list[Row], Utterance]:
    """One sentence whose speaker pauses for 1.2 s in the middle, and the two turns that a diarizer makes of it."""
    said = _say("cmn", 0, 6)
    samples = _at_rate(said)
    middle = said.spans[len(said.spans) // 2].start
    cut = round(middle * RATE)
    gap = np.zeros(round(1.2 * RATE), np.float32)
    turns = [_turn(0.0, middle), _turn(middle + 1.2, samples.size / RATE + 1.2)]
    return _recording(path, np.concatenate([samples[:cut], gap, samples[cut:]])), turns, said


def test_a_speaker_who_pauses_is_heard_in_one_piece_and_the_pause_is_nobodys(tmp_path: Path, stage: Recognize):
    recording, turns, said = _hesitant(tmp_path / "x.flac")
    result = stage.process(recording, {"turns": turns})
    (row,) = result.rows
    assert row["turn_id"] == turns[0]["turn_id"]
    assert row["end"] - row["start"] > row["covered_seconds"] + 1.0
    assert _balanced(result, turns)
    assert jiwer.cer("".join(said.sentence.characters), "".join(tokens(row["text"]))) < 0.2


def test_without_joining_every_turn_is_heard_alone(tmp_path: Path):
    recording, turns, _ = _hesitant(tmp_path / "x.flac")
    result = _stage(join_gap_seconds=0.5).process(recording, {"turns": turns})
    assert [row["turn_id"] for row in result.rows] == [turn["turn_id"] for turn in turns]
    assert _balanced(result, turns)


def test_every_recogniser_of_the_dialect_is_heard_and_the_seconds_count_once(tmp_path: Path):
    micro = {"checkpoint": "checkpoints/whisper-micro"}
    listed = [micro | {"name": "wide"}, micro | {"name": "narrow", "beam_size": 1}]
    stage = _stage(recognizers=[*listed, micro | {"name": "other", "dialects": ["yue"]}])
    recording, turns, _ = _hesitant(tmp_path / "x.flac")
    result = stage.process(recording, {"turns": turns})
    assert [row["recognizer"] for row in result.rows] == ["wide", "narrow"]
    assert result.rows[1]["covered_seconds"] == 0.0
    assert _balanced(result, turns)


def test_a_dialect_that_no_recogniser_is_used_for_is_a_bad_recording(tmp_path: Path):
    only = {"name": "one", "checkpoint": "checkpoints/whisper-micro", "dialects": ["yue"]}
    with pytest.raises(BadRecording, match=r"no recogniser of \[\[transcribe.recognizers\]\] is used for cmn"):
        _stage(recognizers=[only]).process(_recording(tmp_path / "x.flac", np.zeros(RATE, np.float32)), {"turns": []})


def test_cantonese_is_asked_for_as_chinese_where_the_checkpoint_has_no_cantonese_and_the_row_says_so(tmp_path: Path):
    folder = shutil.copytree(PROJECT / "checkpoints/whisper-micro", tmp_path / "older")
    names = (folder / "tokenizer.json").read_text(encoding="utf-8")
    (folder / "tokenizer.json").write_text(names.replace("<|yue|>", "<|xx|>"), encoding="utf-8")
    samples = _at_rate(_say("yue", 0, 1))
    recording = _recording(tmp_path / "x.flac", samples, "yue")
    (row,) = _stage(checkpoint=str(folder)).process(recording, {"turns": [_turn(0.0, samples.size / RATE)]}).rows
    assert (row["language"], row["language_wanted"]) == ("zh", "yue")


def test_a_syllable_that_diarization_cut_off_is_heard_with_its_neighbours(tmp_path: Path):
    said = _at_rate(_say("cmn", 0, 4))
    pause = np.zeros(RATE, np.float32)
    recording = _recording(tmp_path / "x.flac", np.concatenate([pause, said, pause]))
    turns = [_turn(1.25, 0.9 + said.size / RATE)]
    [row] = _stage().process(recording, {"turns": turns}).rows
    [alone] = _stage(context_seconds=0.0).process(recording, {"turns": turns}).rows
    assert row["start"] == pytest.approx(0.85, abs=0.01)
    assert alone["start"] >= 1.25
    assert row["covered_seconds"] == pytest.approx(turns[0]["end"] - turns[0]["start"], abs=0.002)
    truth = "".join(_say("cmn", 0, 4).sentence.characters)
    wrong, wrong_alone = (jiwer.cer(truth, "".join(tokens(one["text"]))) for one in (row, alone))
    assert wrong < wrong_alone
