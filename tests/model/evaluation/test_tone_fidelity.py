"""The tone metric on known truth: Tianjin from Mandarin from Sichuan from a monotone, and flattening by degrees."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from model.evaluation import tone_reference
from model.evaluation.recognition import UtteranceAligner
from model.evaluation.statistics import spearman
from model.evaluation.tone_contours import POINTS, Contour, contours, spoken_tones
from model.evaluation.tone_picture import picture
from model.evaluation.tone_reference import ToneReference, chao_contour, from_chao
from model.evaluation.tones import (
    MONOTONE,
    ToneFidelity,
    confusion,
    curves,
    dialect_errors,
    learn_reference,
)
from model.evaluation.utterance import NotMeasured, Span, Utterance
from studio import tones as studio_tones

DIALECTS = ("cmn", "cmn-tianjin", "cmn-sichuan")
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def references(studio_says, judge, aligner: UtteranceAligner) -> dict[str, ToneReference]:
    """Learned from training voices and sentences, no speech of which is judged."""
    corpus = {
        dialect: [judge(studio_says(dialect, voice, 300 + voice, False)) for voice in range(0, 96, 4)]
        for dialect in DIALECTS
    }
    return {dialect: learn_reference(dialect, said, aligner) for dialect, said in corpus.items()}


@pytest.fixture(scope="module")
def metric(aligner: UtteranceAligner, references: dict[str, ToneReference]) -> ToneFidelity:
    return ToneFidelity(aligner, references)


@pytest.fixture(scope="module")
def flattened(judge) -> Callable[..., Utterance]:
    """flattened(studio utterance, share) is to be judged without knowing where its characters are."""

    def make(said, share: float) -> Utterance:
        changed = studio_tones.flatten(said, share) if share else said
        return judge(changed, f"{said.sentence.dialect} {share}", known_spans=False)

    return make


def test_dialects_and_monotones_are_told_apart(
    studio_says, aligner: UtteranceAligner, references: dict[str, ToneReference], flattened
):
    right = []
    for dialect in DIALECTS:
        for number in range(5):
            said = studio_says(dialect, 3 + 7 * number, 400 + number)
            for share, truth in ((0.0, dialect), (1.0, MONOTONE)):
                errors = dialect_errors(flattened(said, share), list(references.values()), aligner)
                right.append(min(errors, key=lambda name: errors[name]) == truth)
    assert len(right) == 30
    assert np.mean(right) >= 0.95


def test_distance_follows_the_flattening_applied(studio_says, metric: ToneFidelity, flattened):
    applied, found = [], []
    for number in range(6):
        said = studio_says("cmn-tianjin", 2 + 6 * number, 500 + number)
        for share in SHARES:
            values = metric.measure(flattened(said, share)).values
            applied.append(share)
            found.append(values["tone_distance"])
            assert values["tone_range"] == pytest.approx(1 - share, abs=0.2)
    assert spearman(applied, found) >= 0.9


def test_a_right_tone_is_near_a_monotone_far_and_another_dialect_farther(studio_says, metric: ToneFidelity, flattened):
    tianjin = studio_says("cmn-tianjin", 9, 501)
    own = metric.measure(flattened(tianjin, 0.0)).values
    level = metric.measure(flattened(tianjin, 1.0)).values
    foreign = metric.measure(replace(flattened(studio_says("cmn-sichuan", 9, 502), 0.0), dialect="cmn-tianjin")).values
    assert own["tone_distance"] < 0.15
    assert level["tone_distance"] == pytest.approx(1.0, abs=0.15)
    assert foreign["tone_distance"] > 1.2
    assert own["tone_error_st"] < 1.0 < level["tone_error_st"] < foreign["tone_error_st"]
    assert own["tone_accuracy"] > 0.8 > foreign["tone_accuracy"]


def test_aligned_spans_serve_as_well_as_true_ones(studio_says, judge, metric: ToneFidelity):
    said = studio_says("cmn-tianjin", 9, 501)
    aligned, true = metric.measure(judge(said, known_spans=False)).values, metric.measure(judge(said)).values
    assert aligned["tone_distance"] == pytest.approx(true["tone_distance"], abs=0.06)


def test_chao_values_stand_in_for_a_corpus(studio_says, aligner: UtteranceAligner, flattened):
    without = ToneFidelity(aligner)
    tianjin = studio_says("cmn-tianjin", 9, 501)
    assert without.measure(flattened(tianjin, 0.0)).values["tone_distance"] < 0.2
    as_sichuan = without.measure(replace(flattened(tianjin, 0.0), dialect="cmn-sichuan"))
    assert as_sichuan.values["tone_distance"] > 0.8
    assert "Chao" in as_sichuan.details["tone_reference"]


@pytest.mark.parametrize(
    "dialect",
    ["cmn", "yue", "wuu", "nan", "cmn-sichuan", "cmn-northeastern", "cmn-henan", "cmn-shaanxi", "cmn-shandong"],
)
def test_every_tone_dialect_has_a_reference(dialect: str):
    shapes = from_chao(dialect).shapes
    assert len(shapes) >= 4
    assert all(shape.mean.shape == (POINTS,) for shape in shapes.values())


def test_the_fifth_tone_of_cantonese_is_no_neutral_one():
    assert set(from_chao("yue").shapes) == set("123456")
    assert from_chao("yue").shapes["5"].mean == pytest.approx(chao_contour("23"))


def test_chao_levels_are_evenly_spaced_semitones():
    assert chao_contour("35")[[0, -1]] == pytest.approx([0.0, 2 * tone_reference.SEMITONES_PER_LEVEL])
    assert chao_contour("4") == pytest.approx(np.full(POINTS, tone_reference.SEMITONES_PER_LEVEL))
    assert chao_contour("214").argmin() == POINTS // 2


def test_a_known_glide_is_measured_in_semitones():
    rate, seconds = 16_000, 0.6
    time = np.arange(round(rate * seconds)) / rate
    semitones = np.interp(time, [0.1, 0.5], [0.0, 7.0])
    phase = np.cumsum(150.0 * 2 ** (semitones / 12)) * 2 * np.pi / rate
    glide = (0.1 * sum(np.sin(k * phase) / k for k in range(1, 12))).astype(np.float32)
    (found,) = contours(glide, rate, [Span("啊", "a2", 0.1, 0.5)], "cmn")
    assert found.tone == "2"
    assert found.semitones - 12 * np.log2(150.0) == pytest.approx(np.linspace(0, 7, POINTS), abs=0.35)


def test_sandhi_is_applied_but_not_across_a_pause():
    spans = [Span("你", "ni3", 0.0, 0.2), Span("好", "hao3", 0.2, 0.4)]
    assert spoken_tones(spans, "cmn") == ["2", "3"]
    assert spoken_tones([spans[0], replace(spans[1], start=0.6, end=0.8)], "cmn") == ["3", "3"]
    assert spoken_tones([Span("OK", "ok", 0.0, 0.3)], "cmn") == [""]


def test_learning_takes_registers_out_and_finds_the_shapes():
    rng = random.Random(1)
    shapes = {"1": np.full(POINTS, 4.0), "2": np.linspace(-3, 3, POINTS), "4": np.linspace(4, -5, POINTS)}
    utterances = []
    for _ in range(40):
        register = rng.uniform(80, 100)
        tones = [rng.choice(list(shapes)) for _ in range(9)]
        utterances.append([Contour("", tone, 0.0, 0.1, register + shapes[tone] + rng.gauss(0, 0.4)) for tone in tones])
    learned = tone_reference.learn("cmn", utterances).shapes
    middle = np.mean([learned[tone].mean.mean() - shapes[tone].mean() for tone in shapes])
    for tone, shape in shapes.items():
        assert learned[tone].mean - middle == pytest.approx(shape, abs=0.4)


def test_confusions_and_contours_are_gathered_over_utterances(say, metric: ToneFidelity):
    measured = [metric.measure(say("cmn-tianjin", voice, 510 + voice)) for voice in (3, 8, 15)]
    table = confusion(one.details for one in measured)
    assert sum(sum(row.values()) for row in table.values()) == sum(one.weights["tone_distance"] for one in measured)
    assert table["1"]["1"] == max(table["1"].values())
    gathered = curves(one.details for one in measured)
    assert gathered["2"].mean() > gathered["1"].mean()


def test_the_picture_is_a_small_image(references: dict[str, ToneReference]):
    reference = references["cmn-tianjin"]
    measured = {"base": {tone: shape.mean[None].repeat(3, 0) for tone, shape in reference.shapes.items()}}
    image = picture(reference, measured)
    assert image.startswith(b"\x89PNG")
    assert len(image) < 100_000


def test_where_there_is_nothing_to_measure_the_reason_is_given(say, aligner: UtteranceAligner, metric: ToneFidelity):
    with pytest.raises(NotMeasured, match="no tones"):
        metric.measure(replace(say("cmn", 4, 61), dialect="de", text="Guten Morgen"))
    with pytest.raises(NotMeasured, match="borrows Mandarin readings"):
        ToneFidelity(aligner).reference("wuu")
    silent = Utterance("s", "cmn", "今天好", np.zeros(32_000, np.float32), 16_000)
    with pytest.raises(NotMeasured, match="0 syllables"):
        metric.measure(silent)
