"""DNSMOS P.835 against the package it comes from, and on speech with known noise."""

from __future__ import annotations

import ast
import importlib.util
import random
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from pipeline.audio import dnsmos, onnx_parts
from pipeline.audio.clips import resample
from pipeline.audio.dnsmos import SAMPLE_RATE, WINDOW, Dnsmos
from pipeline.audio.p835 import HOP, P835Network
from studio import scripts
from studio.synthesis import speak
from studio.voices import voices


@pytest.fixture(scope="module")
def model() -> Dnsmos:
    return Dnsmos()


@pytest.fixture(scope="module")
def network() -> P835Network:
    return P835Network(dnsmos.model_file("sig_bak_ovr.onnx").read_bytes())


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """About 3 s of one voice at 16 kHz."""
    utterance = speak(scripts.sentence("cmn", random.Random(5)), voices(held_out=True)[0])
    return resample(utterance.samples, utterance.sample_rate, SAMPLE_RATE)


def _published(window: np.ndarray) -> np.ndarray:
    """The raw scores (3,) that the network as it is in the wheel gives a window (144160,)."""
    [scores] = _session().run(None, {"input_1": window[None].astype(np.float32)})
    return np.asarray(scores)[0]


@cache
def _session() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(dnsmos.model_file("sig_bak_ovr.onnx")))


def test_polynomials_are_those_of_the_package():
    spec = importlib.util.find_spec("speechmos")
    assert spec is not None
    assert spec.origin is not None
    source = ast.parse((Path(spec.origin).parent / "dnsmos.py").read_text(encoding="utf-8"))
    published = [
        tuple(ast.literal_eval(call.args[0]))
        for call in ast.walk(source)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "poly1d"
    ]
    for polynomial in (dnsmos._TO_OVRL, dnsmos._TO_SIG, dnsmos._TO_BAK):
        assert polynomial in published


@pytest.mark.parametrize("seconds", [9.01, 9.99, 10.0, 10.5, 11.0, 12.02, 29.3, 30.0])
def test_reference_windows_lie_where_the_package_puts_them(model: Dnsmos, seconds: float):
    size = round(seconds * SAMPLE_RATE)
    hops = int(np.floor(size / SAMPLE_RATE) - 9.01) + 1
    expected = [hop * SAMPLE_RATE for hop in range(hops) if size - hop * SAMPLE_RATE >= WINDOW]
    assert model._starts(size) == expected


def test_one_window_of_a_repeated_clip_is_the_networks_output_through_the_polynomials(
    model: Dnsmos, speech: np.ndarray
):
    clip = speech
    while clip.size < WINDOW:
        clip = np.append(clip, clip)
    whole_seconds = clip.size // SAMPLE_RATE
    raw = [
        _published(clip[at : at + WINDOW])
        for at in range(0, (int(whole_seconds - 9.01) + 1) * SAMPLE_RATE, SAMPLE_RATE)
    ]
    sig, bak, ovrl = np.array(raw).T
    found = model.score(speech)
    assert found.ovrl == pytest.approx(np.mean(-0.06766283 * ovrl**2 + 1.11546468 * ovrl + 0.04602535), abs=1e-5)
    assert found.sig == pytest.approx(np.mean(-0.08397278 * sig**2 + 1.22083953 * sig + 0.0052439), abs=1e-5)
    assert found.bak == pytest.approx(np.mean(-0.13166888 * bak**2 + 1.60915514 * bak - 0.39604546), abs=1e-5)


def test_windows_that_share_their_frames_score_as_each_one_by_itself(network: P835Network, speech: np.ndarray):
    sound = np.resize(speech, 1399 * HOP)
    starts = [0, 100 * HOP, 100 * HOP + 77, 498 * HOP]
    for start, found in zip(starts, network.windows(sound, starts), strict=True):
        assert found == pytest.approx(_published(sound[start : start + WINDOW]), abs=1e-5)


@pytest.mark.parametrize("frames", [1, 3, 57, 897])
def test_a_clip_is_repeated_without_being_computed_again(network: P835Network, speech: np.ndarray, frames: int):
    clip = np.resize(speech, frames * HOP)
    assert network.repeated(clip)[0] == pytest.approx(_published(np.resize(clip, WINDOW)), abs=1e-5)


@pytest.mark.parametrize("size", [40_000, 40_077])
def test_a_short_clip_scores_as_its_repetitions_do(speech: np.ndarray, size: int):
    ovrl = np.polyval(dnsmos._TO_OVRL, _published(np.resize(speech[:size], WINDOW))[2])
    assert Dnsmos(windows="cover").p835(speech[:size]).ovrl == pytest.approx(ovrl, abs=1e-5)


def test_an_onnx_file_without_the_tensor_that_is_asked_for_is_refused():
    model = dnsmos.model_file("sig_bak_ovr.onnx").read_bytes()
    with pytest.raises(ValueError, match="does not make 'nothing'"):
        onnx_parts.part(model, ("input_1", ("N", "samples")), ("nothing", ("N", 3)))


def test_noise_costs_background_quality(model: Dnsmos, speech: np.ndarray):
    noise = np.random.default_rng(1).standard_normal(speech.size).astype(np.float32)
    noise *= np.sqrt(np.mean(speech**2)) / 10 ** (5 / 20)
    assert model.score(speech + noise).bak < model.score(speech).bak - 0.3


def test_covering_windows_reach_both_ends_and_score_near_the_reference(model: Dnsmos, speech: np.ndarray):
    sparse = Dnsmos(windows="cover")
    long = np.concatenate([speech] * 6)[: 14 * SAMPLE_RATE]
    starts = sparse._starts(long.size)
    assert starts[0] == 0
    assert starts[-1] + WINDOW == long.size
    assert len(starts) == 2
    assert sparse.score(long).ovrl == pytest.approx(model.score(long).ovrl, abs=0.2)


def test_a_clip_without_samples_is_refused(model: Dnsmos):
    with pytest.raises(ValueError, match="without samples"):
        model.score(np.zeros(0, np.float32))
