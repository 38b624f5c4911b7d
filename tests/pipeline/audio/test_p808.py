"""P.808's mel spectrogram against its definition, and its opinion of speech in noise."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pipeline.audio import p808
from pipeline.audio.clips import resample
from pipeline.audio.dnsmos import Dnsmos
from studio import scripts
from studio.synthesis import speak
from studio.voices import voices


def test_a_window_has_900_frames_in_decibels_under_the_loudest():
    samples = 0.5 * np.random.default_rng(0).standard_normal(p808.SAMPLES).astype(np.float32)
    found = p808.mel_spectrogram(samples)
    assert found.shape == (900, 120)
    assert found.max() == pytest.approx(1.0)
    assert p808.mel_spectrogram(0.25 * samples) == pytest.approx(found, abs=1e-4)


@pytest.mark.parametrize("hertz", [300.0, 1000.0, 3100.0, 6400.0])
def test_a_tone_lies_in_the_band_of_its_pitch_on_slaneys_scale(hertz: float):
    tone = np.sin(2 * np.pi * hertz * np.arange(p808.SAMPLES) / p808.SAMPLE_RATE).astype(np.float32)
    steps = hertz / (200 / 3) if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)
    width = (15 + 27 * np.log(8) / np.log(6.4)) / 121
    assert abs(int(p808.mel_spectrogram(tone)[450].argmax()) - (steps / width - 1)) <= 1


def test_silence_is_a_spectrogram_too():
    assert np.isfinite(p808.mel_spectrogram(np.zeros(p808.SAMPLES, np.float32))).all()


def test_noise_lowers_the_opinion():
    spoken = speak(scripts.sentence("cmn", random.Random(5)), voices(held_out=True)[0])
    clean = resample(spoken.samples, spoken.sample_rate, p808.SAMPLE_RATE)
    noise = np.random.default_rng(1).standard_normal(clean.size).astype(np.float32) * np.sqrt(np.mean(clean**2))
    model = Dnsmos("cover")
    quiet, loud = (model.score((clean + noise * 10 ** (-snr / 20)).astype(np.float32)).p808 for snr in (40, 0))
    assert 1.0 <= loud < quiet - 0.3 <= 5.0
