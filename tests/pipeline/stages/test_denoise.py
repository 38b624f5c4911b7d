"""RNNoise keeps time to the sample; the stage denoises what its policy says and keeps what got worse."""

from __future__ import annotations

import io
import random
import wave
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from pipeline.audio import clips, rnnoise
from pipeline.lake.rows import Row
from pipeline.lake.tables import DENOISED, span_id
from pipeline.settings import Settings
from pipeline.stage import Recording, StageResult
from pipeline.stages.denoise import Denoise
from studio import scripts
from studio.synthesis import speak
from studio.voices import voices


def _speech(voice: int, rate: int, seed: int = 3) -> np.ndarray:
    utterance = speak(scripts.sentence("cmn", random.Random(seed)), voices(held_out=True)[voice])
    return clips.resample(utterance.samples, utterance.sample_rate, rate)


def _noisy(speech: np.ndarray, snr_db: float, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(speech.size).astype(np.float32)
    return speech + noise * np.float32(np.sqrt(np.mean(speech**2)) / 10 ** (snr_db / 20))


def _recording(path: Path, samples: np.ndarray, rate: int) -> Recording:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(clips.to_int16(samples).tobytes())
    path.write_bytes(buffer.getvalue())
    return Recording("cmn/a/x.wav", str(path), "b", "cmn", "a", "r", samples.size / rate, rate)


def _turn(start: float, end: float) -> Row:
    return {"turn_id": span_id("r", start, end), "recording_id": "r", "start": start, "end": end}


def _run(recording: Recording, turns: list[Row], **settings: object) -> StageResult:
    stage = Denoise(Settings.model_validate({"denoise": settings}))
    stage.load()
    return stage.process(recording, {"turns": turns})


def _lag(reference: np.ndarray, other: np.ndarray) -> int:
    """Samples by which `other` comes later than `reference`; a high-pass keeps RNNoise's own one out of it."""
    sections = signal.butter(4, 500, "high", fs=rnnoise.SAMPLE_RATE, output="sos")
    reference, other = (signal.sosfiltfilt(sections, samples) for samples in (reference, other))
    lags = signal.correlation_lags(other.size, reference.size)
    return int(lags[np.argmax(signal.correlate(other, reference, method="fft"))])


@pytest.mark.parametrize("voice", [0, 9, 20])
def test_clean_speech_comes_out_at_the_same_sample(voice: int):
    speech = _speech(voice, rnnoise.SAMPLE_RATE)
    cleaned = rnnoise.denoise(speech)
    assert cleaned.shape == speech.shape
    assert cleaned.dtype == np.float32
    assert _lag(speech, cleaned) == 0
    assert np.corrcoef(speech, cleaned)[0, 1] > 0.9


def test_the_lag_is_told_to_the_sample_when_it_is_not_zero():
    speech = _speech(0, rnnoise.SAMPLE_RATE)
    assert _lag(speech, rnnoise.denoise(np.roll(speech, 1))) == 1


@pytest.mark.parametrize("size", [1, 479, 480, 481, 48_000])
def test_any_length_comes_out_as_long(size: int):
    assert rnnoise.denoise(np.zeros(size, np.float32)).shape == (size,)


def test_noise_goes_and_speech_stays():
    speech = _speech(0, rnnoise.SAMPLE_RATE)
    noisy = _noisy(speech, 5.0)
    cleaned = rnnoise.denoise(noisy)
    half = rnnoise.SAMPLE_RATE // 2
    assert np.mean((cleaned - speech)[half:] ** 2) < 0.5 * np.mean((noisy - speech)[half:] ** 2)


def test_a_noisy_turn_is_denoised_at_its_own_rate_and_a_clean_one_kept(tmp_path: Path):
    rate = 22_050
    clean, noisy = _speech(0, rate), _noisy(_speech(9, rate), 8.0)
    recording = _recording(tmp_path / "x.wav", np.concatenate([clean, noisy]), rate)
    first = _turn(0.0, round(clean.size / rate, 3))
    second = _turn(round(clean.size / rate + 0.2, 3), round(recording.duration - 0.01, 3))
    result = _run(recording, [second, first], policy="noisy", snr_bound_db=20.0)
    kept, cleaned = result.rows
    assert (kept["turn_id"], kept["applied"], kept["reason"]) == (first["turn_id"], False, "clean")
    assert kept["bak_before"] > 3.0
    assert kept["dnsmos_after"] is None
    assert kept["audio"] is None
    assert (cleaned["applied"], cleaned["reason"], cleaned["sample_rate"]) == (True, "noisy", rate)
    assert cleaned["snr_after_db"] > cleaned["snr_before_db"] + 10
    assert (cleaned["dnsmos_before"], cleaned["dnsmos_after"]) == (None, None)
    assert cleaned["audio"]["path"] == f"{second['turn_id']}.flac"
    samples, found = clips.decode_bytes(cleaned["audio"]["bytes"])
    assert found == rate
    assert samples.size == round(second["end"] * rate) - round(second["start"] * rate)
    original = clips.read(recording.path, second["start"], second["end"])
    wide = [clips.resample(part, rate, rnnoise.SAMPLE_RATE) for part in (original, samples)]
    assert _lag(wide[0], wide[1]) == 0
    [entry] = result.ledger
    assert entry.outcome == "passed"
    assert entry.seconds == pytest.approx(sum(turn["end"] - turn["start"] for turn in (first, second)), abs=1e-6)


def test_voices_behind_a_turn_are_no_steady_noise_but_heard_as_background(tmp_path: Path):
    speech = np.concatenate([_speech(0, 16_000), _speech(0, 16_000, 4)])
    crowd = sum(np.resize(_speech(place, 16_000, place), speech.size) for place in (3, 6, 9, 12))
    mixed = speech + crowd * np.float32(np.sqrt(np.mean(speech**2) / np.mean(crowd**2)) * 10 ** (-10 / 20))
    recording = _recording(tmp_path / "x.wav", 0.5 * mixed, 16_000)
    turn = _turn(0.0, round(recording.duration - 0.01, 2))
    [row] = _run(recording, [turn], policy="noisy", snr_bound_db=0.0, worse_by=5.0).rows
    assert row["bak_before"] < 3.0
    assert (row["applied"], row["reason"]) == (True, "background")
    [row] = _run(recording, [turn], policy="noisy", snr_bound_db=0.0, bak_bound=1.0).rows
    assert (row["applied"], row["reason"]) == (False, "clean")


def test_a_turn_that_got_worse_keeps_its_original(tmp_path: Path):
    muffled = signal.sosfilt(signal.butter(8, 1200, fs=16_000, output="sos"), _speech(0, 16_000))
    recording = _recording(tmp_path / "x.wav", np.asarray(muffled, np.float32), 16_000)
    [row] = _run(recording, [_turn(0.0, round(recording.duration, 2))], policy="always", worse_by=0.05).rows
    assert row["dnsmos_after"] < row["dnsmos_before"] - 0.05
    assert (row["applied"], row["reason"], row["audio"]) == (False, "got_worse", None)


def test_dnsmos_is_asked_from_the_sure_snr_on_and_snr_alone_decides_under_it(tmp_path: Path):
    noisy = _noisy(_speech(9, 16_000), 8.0)
    recording = _recording(tmp_path / "x.wav", noisy, 16_000)
    turn = _turn(0.0, round(recording.duration - 0.01, 2))
    [asked] = _run(recording, [turn], sure_snr_db=-10.0, worse_by=5.0).rows
    assert asked["dnsmos_after"] > asked["dnsmos_before"]
    bound = asked["snr_before_db"] + 0.5
    [sure] = _run(recording, [turn], sure_snr_db=bound, worse_by=0.0).rows
    assert sure["dnsmos_before"] is None
    assert (sure["applied"], sure["reason"]) == (True, "noisy")
    assert sure["snr_after_db"] > sure["snr_before_db"]


def test_always_denoises_clean_turns_too(tmp_path: Path):
    recording = _recording(tmp_path / "x.wav", _speech(0, 16_000), 16_000)
    [row] = _run(recording, [_turn(0.0, 1.5)], policy="always", worse_by=5.0).rows
    assert (row["applied"], row["reason"]) == (True, "policy_always")


def test_policy_off_reads_no_audio(tmp_path: Path):
    recording = Recording("gone", str(tmp_path / "gone.wav"), "b", "cmn", "a", "r", 2.0, 16_000)
    result = _run(recording, [_turn(0.0, 2.0)], policy="off")
    assert [(row["applied"], row["reason"]) for row in result.rows] == [(False, "policy_off")]
    assert result.ledger[0].seconds == 2.0


def test_no_turns_give_no_rows(tmp_path: Path):
    recording = _recording(tmp_path / "x.wav", np.zeros(16_000, np.float32), 16_000)
    result = _run(recording, [])
    assert result == StageResult([], [])


def test_a_short_turn_is_not_scored_by_dnsmos(tmp_path: Path):
    recording = _recording(tmp_path / "x.wav", _noisy(_speech(0, 16_000), 5.0), 16_000)
    [row] = _run(recording, [_turn(0.2, 0.9)]).rows
    assert (row["dnsmos_before"], row["dnsmos_after"]) == (None, None)
    assert row["snr_after_db"] is not None


def test_rows_have_the_tables_columns(tmp_path: Path):
    recording = _recording(tmp_path / "x.wav", _speech(0, 16_000), 16_000)
    [row] = _run(recording, [_turn(0.0, 1.5)]).rows
    assert set(row) == set(DENOISED.names) - {"batch", "provenance"}
