"""Claims about the measures, against mixtures made to a known truth and against pyloudnorm."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pyloudnorm
import pytest

from pipeline.audio import clips, quality
from studio import scripts, synthesis
from studio.voices import voices

RATE = 16_000
Make = Callable[..., np.ndarray]


def mixed(speech: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """Speech and noise at `snr` dB, the speech measured where it is within 25 dB of its loudest 16 ms."""
    power = np.mean(speech[: len(speech) // 256 * 256].reshape(-1, 256) ** 2, axis=1)
    active = power[power > power.max() * 10**-2.5].mean()
    factor = np.sqrt(active / np.mean(noise**2)) * 10 ** (-snr / 20)
    return (speech + factor * noise).astype(np.float32)


def pink(length: int, rng: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(rng.standard_normal(length))
    return np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)), length)


@pytest.mark.parametrize("rate", [16000, 48000])
@pytest.mark.parametrize(("snr", "bound"), [(0.0, 2.0), (5.0, 2.0), (10.0, 2.0), (15.0, 2.0), (20.0, 3.0), (25.0, 4.0)])
def test_snr_is_near_the_truth_in_white_and_pink_noise(rate: int, snr: float, bound: float, murmur: Make) -> None:
    rng = np.random.default_rng(1)
    for noise in (rng.standard_normal(rate * 6), pink(rate * 6, rng)):
        errors = [quality.snr_db(mixed(murmur(6.0, rate, seed), noise, snr), rate) - snr for seed in range(3)]
        assert abs(float(np.mean(errors))) < bound


def test_snr_of_short_turns_grows_with_the_truth(murmur: Make) -> None:
    noise = np.random.default_rng(2).standard_normal(16000)
    estimates = [quality.snr_db(mixed(murmur(1.0, 16000), noise, snr), 16000) for snr in (0, 10, 20, 30)]
    assert estimates == sorted(estimates)
    assert estimates[0] < 5 < estimates[1] < 15 < estimates[2]


def test_snr_stays_within_its_range() -> None:
    low, high = quality.SNR_RANGE_DB
    assert quality.snr_db(np.zeros(16000, np.float32), 16000) == low
    assert quality.snr_db(np.zeros(5, np.float32), 16000) == low
    assert quality.snr_db(np.zeros(0, np.float32), 16000) == low
    assert quality.snr_db(np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1, 16000) < 0
    assert 30 < quality.snr_db(_studio_speech(4)[0], RATE) <= high


@pytest.mark.parametrize(
    ("snr", "bound"), [(5.0, 2.0), (10.0, 2.0), (15.0, 2.5), (20.0, 3.0), (25.0, 4.0), (30.0, 5.0)]
)
def test_snr_of_speech_whose_pauses_were_set_to_zero_is_that_of_what_is_left(snr: float, bound: float) -> None:
    rng = np.random.default_rng(5)
    for place, noise in enumerate((rng.standard_normal(RATE * 12), pink(RATE * 12, rng))):
        clean, speaking = _studio_speech(place)
        noisy = np.round(mixed(clean, noise[: len(clean)], snr) * 32768) / 32768
        assert quality.snr_db(noisy, RATE) == pytest.approx(snr, abs=bound)
        assert quality.snr_db(np.where(speaking, noisy, 0.0).astype(np.float32), RATE) == pytest.approx(snr, abs=bound)


def test_snr_of_dithered_silence_between_words_is_that_of_the_words(murmur: Make) -> None:
    rng = np.random.default_rng(6)
    clean, speaking = _studio_speech(3)
    noisy = mixed(clean, rng.standard_normal(len(clean)), 15.0)
    dither = rng.integers(-1, 2, len(clean)) / 32768
    assert quality.snr_db(np.where(speaking, noisy, dither).astype(np.float32), RATE) == pytest.approx(15.0, abs=2.5)


def _studio_speech(place: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sentences with pauses between, (T,) at RATE, and where somebody speaks or has within 30 ms."""
    draw = random.Random(place)
    parts = [np.zeros(RATE // 2, np.float32)]
    for seed in range(2):
        spoken = synthesis.speak(scripts.sentence("cmn", draw), voices()[7 * place + seed], seed)
        parts += [0.3 * clips.resample(spoken.samples, spoken.sample_rate, RATE), np.zeros(RATE * 6 // 10, np.float32)]
    samples = np.concatenate(parts).astype(np.float32)
    loud = np.convolve(np.abs(samples), np.ones(RATE // 100), "same") > 0.05
    return samples, np.convolve(loud, np.ones(RATE * 6 // 100), "same") > 0.5


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
def test_loudness_is_that_of_pyloudnorm_in_any_blocks(rate: int, murmur: Make) -> None:
    samples = murmur(5.0, rate)
    samples[rate * 2 : rate * 3] *= 0.001
    expected = pyloudnorm.Meter(rate).integrated_loudness(samples.astype(np.float64))
    assert quality.loudness_lufs(samples, rate) == pytest.approx(expected, abs=0.01)
    meter = quality.LoudnessMeter(rate)
    for block in np.array_split(samples, 37):
        meter.add(block)
    assert meter.lufs() == pytest.approx(expected, abs=0.01)


def test_silence_and_very_short_audio_have_no_loudness() -> None:
    assert quality.loudness_lufs(np.zeros(16000, np.float32), 16000) is None
    assert quality.loudness_lufs(np.ones(1000, np.float32), 16000) is None


@pytest.mark.parametrize("band", [4000, 8000, 11025])
def test_bandwidth_of_upsampled_audio_is_that_of_its_source(band: int) -> None:
    rng = np.random.default_rng(3)
    narrow = (0.05 * rng.standard_normal(band * 2 * 4)).astype(np.float32)
    stored = clips.to_int16(clips.resample(narrow, band * 2, 48000)).astype(np.float32) / 32768
    assert quality.bandwidth_hz(stored, 48000) == pytest.approx(band, rel=0.05)
    assert quality.bandwidth_hz(narrow, band * 2) == band


def test_bandwidth_of_nothing_is_zero() -> None:
    assert quality.bandwidth_hz(np.zeros(16000, np.float32), 16000) == 0.0
    assert quality.bandwidth_hz(np.zeros(3, np.float32), 16000) == 0.0


def test_only_runs_at_full_scale_count_as_clipped_in_any_blocks() -> None:
    samples = np.zeros(1000, np.float32)
    samples[10:13], samples[20:22], samples[30:33], samples[33:36], samples[990:] = 1, -1, -1, 0.995, 1
    assert quality.clipped_share(samples) == pytest.approx(0.019)
    for size in range(1, 40):
        meter = quality.ClippingMeter()
        for at in range(0, 1000, size):
            meter.add(samples[at : at + size])
        assert meter.share() == pytest.approx(0.019)
    assert quality.clipped_share(np.zeros(0, np.float32)) == 0.0


def test_peak_is_in_decibels() -> None:
    assert quality.peak_dbfs(np.array([0.1, -0.5], np.float32)) == pytest.approx(-6.02, abs=0.01)
    assert quality.peak_dbfs(np.zeros(10, np.float32)) == -np.inf
