"""Noisy references have the SNR asked for, and the curves follow what speaking from them gives."""

from __future__ import annotations

import numpy as np
import pytest

from model.evaluation.mos import PredictedMos
from model.evaluation.noise_salvage import SNRS_DB, Case, Condition, cases, conditions, mixed, pink_noise, salvage
from model.evaluation.utterance import Utterance


def test_every_snr_comes_with_and_without_denoising():
    asked = conditions()
    assert len(asked) == len(set(asked)) == 2 * len(SNRS_DB)
    assert Condition(None, False).label == "clean"
    assert Condition(5.0, True).label == "5 dB, denoised"


@pytest.mark.parametrize("snr", [20.0, 10.0, 0.0])
def test_the_mixture_has_the_ratio_asked_for(say, snr: float):
    clean = say("cmn", 9, 100).samples
    noise = pink_noise(len(clean), 22_050, np.random.default_rng(0))
    both = mixed(clean, noise, snr)
    scale = (both @ clean) / (clean @ clean)
    rest = both - scale * clean
    assert 10 * np.log10(np.sum((scale * clean) ** 2) / np.sum(rest**2)) == pytest.approx(snr, abs=0.6)
    assert np.abs(both).max() <= 1.0


def test_silence_has_no_ratio():
    with pytest.raises(ValueError, match="silent"):
        mixed(np.zeros(100, np.float32), np.ones(100, np.float32), 10.0)


def test_a_copy_of_the_reference_is_as_bad_as_its_noise_and_denoising_helps(say):
    said = say("cmn", 9, 100)

    def echo(case: Case) -> list[Utterance]:
        return [Utterance("copy", "cmn", said.text, case.samples, case.rate)]

    made = cases(
        {"v": (said.samples, said.sample_rate)}, [Condition(None, False), Condition(5.0, False), Condition(5.0, True)]
    )
    assert all(len(case.samples) == len(case.clean) for case in made)
    points, rows = salvage(made, echo, [PredictedMos()])
    mos = {point.condition.label: point.summary.value for point in points if point.summary.metric == "dnsmos"}
    assert mos["clean"] > mos["5 dB"]
    background = {row.utterance_id.split(":")[0]: row.value for row in rows if row.metric == "dnsmos_bak"}
    assert background["5 dB, denoised"] > background["5 dB"]
