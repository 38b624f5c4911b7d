"""Noise is mixed in at the ratio asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.audio.noise import mixed, pink_noise


@pytest.mark.parametrize("snr", [20.0, 10.0, 0.0])
def test_the_mixture_has_the_ratio_asked_for(murmur: Callable[..., np.ndarray], snr: float):
    clean = murmur(5.0, 22_050)
    noise = pink_noise(len(clean), 22_050, np.random.default_rng(0))
    both = mixed(clean, noise, snr)
    scale = (both @ clean) / (clean @ clean)
    rest = both - scale * clean
    assert 10 * np.log10(np.sum((scale * clean) ** 2) / np.sum(rest**2)) == pytest.approx(snr, abs=0.6)
    assert np.abs(both).max() <= 1.0


def test_silence_has_no_ratio():
    with pytest.raises(ValueError, match="silent"):
        mixed(np.zeros(100, np.float32), np.ones(100, np.float32), 10.0)
