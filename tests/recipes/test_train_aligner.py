"""The aligner is taught exact boundaries, can be interrupted, and keeps its bars on unheard voices and sentences."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.recognition.aligner_model import BLANK, FRAME_SECONDS, LABELS, AlignerConfig, encode, load_checkpoint
from pipeline.recognition.alignment import Aligner, align, load_aligner, speech_seconds
from pipeline.recognition.alignment_gate import gate
from recipes.aligner.data import HOP, SAMPLE_RATE, batch, frame_labels, noise_pool
from recipes.aligner.scores import BoundaryScores, drift, long_recording, measure, noisy, tokens_of
from recipes.aligner.train import fit
from recipes.bank import Bank, build_bank

pytestmark = pytest.mark.slow

CHECKPOINT = Path(__file__).parents[2] / "checkpoints" / "aligner-micro"


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """Held-out sentences by held-out voices, about 70 seconds."""
    folder = tmp_path_factory.mktemp("held_out")
    build_bank(folder, hours=0.02, seed=404, held_out=True, workers=1)
    return Bank(folder)


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    return load_aligner(str(CHECKPOINT))


def test_frame_labels_change_exactly_where_characters_do():
    labels = frame_labels(60, ["ban1", "na4"], [0.10, 0.30], [0.30, 0.42])
    names = [LABELS[label] for label in labels]
    assert names[:10] == ["-"] * 10
    assert names[42:] == ["-"] * 18
    assert (names[10], names[29], names[30], names[41]) == ("B", "n", "N", "a")
    assert list(dict.fromkeys(names[10:42])) == ["B", "a", "n", "N"]


def test_every_label_of_a_short_syllable_has_its_frame_or_the_span_is_still_filled():
    labels = frame_labels(6, ["zhuang1"], [0.0], [0.06])
    assert labels.tolist() == encode("zhuang")
    assert BLANK not in frame_labels(3, ["zhuang1"], [0.0], [0.03])


def test_examples_depend_on_seed_and_step_alone_and_their_labels_follow_the_sound(held_out: Bank):
    pool = noise_pool(held_out, seed=1, each=1)
    samples, labels = batch(held_out, pool, 4, 4.0, seed=1, step=5)
    again, labels_again = batch(held_out, pool, 4, 4.0, seed=1, step=5)
    np.testing.assert_array_equal(samples, again)
    np.testing.assert_array_equal(labels, labels_again)
    assert samples.shape == (4, 4 * SAMPLE_RATE)
    assert labels.shape == (4, 4 * SAMPLE_RATE // HOP)
    power = np.square(samples.reshape(*labels.shape, HOP)).mean(axis=2)
    assert power[labels != BLANK].mean() > 2 * power[labels == BLANK].mean()


def test_interrupted_training_ends_with_the_same_weights(held_out: Bank, tmp_path: Path):
    config = AlignerConfig(fine=16, coarse=16, dilations=(1, 2))
    whole, facts = fit(held_out, tmp_path / "whole" / "out", 10.0, 3, 3, 1, config=config)
    fit(held_out, tmp_path / "cut" / "out", 0.005, 3, 3, 1, config=config)
    cut, _ = fit(held_out, tmp_path / "cut" / "out", 10.0, 3, 3, 1, config=config)
    assert facts["steps"] == 3
    torch.testing.assert_close(cut.state_dict(), whole.state_dict(), rtol=0, atol=0)
    exported = load_checkpoint(tmp_path / "whole" / "out")
    torch.testing.assert_close(exported.state_dict(), whole.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("snr_db", [None, 15.0])
def test_boundaries_keep_the_bar_on_unheard_voices_and_sentences(
    held_out: Bank, aligner: Aligner, snr_db: float | None
):
    rng = np.random.default_rng(0)
    found = BoundaryScores()
    for index in range(len(held_out)):
        samples, row = held_out[index]
        found.add(measure(aligner, noisy(samples, snr_db, "pink", rng), row))
    summary = found.summary()
    assert summary["median_ms"] <= 20
    assert summary["p95_ms"] <= 80
    assert summary["empty_spans"] == 0


def test_the_last_of_five_minutes_is_as_exact_as_the_first(held_out: Bank, aligner: Aligner):
    # The same minute of speech stands first and last, so that only its place differs.
    rng = np.random.default_rng(0)
    minute = long_recording(held_out, range(len(held_out)), 60.0, rng)
    middle = long_recording(held_out, range(len(held_out)), 180.0, rng)
    samples, row = strung([minute, middle, minute])
    figures = drift(aligner, noisy(samples, 20.0, "pink", rng), row)
    assert figures["seconds"] >= 300
    assert figures["last_minute_mean_ms"] <= 1.2 * figures["first_minute_mean_ms"]
    assert figures["empty_spans"] == 0


def strung(parts: list[tuple[np.ndarray, dict]]) -> tuple[np.ndarray, dict]:
    """Recordings one after another, as one with one truth."""
    row: dict = {"dialect": "", "text": "", "characters": [], "syllables": [], "char_start": [], "char_end": []}
    seconds = 0.0
    for samples, said in parts:
        for key in ("characters", "syllables"):
            row[key] += said[key]
        for key in ("char_start", "char_end"):
            row[key] += [moment + seconds for moment in said[key]]
        seconds += len(samples) / SAMPLE_RATE
    return np.concatenate([samples for samples, _ in parts]), row


def test_the_gate_passes_right_texts_and_refuses_most_wrong_ones(held_out: Bank, aligner: Aligner):
    refused = 0
    for index in range(20):
        samples, row = held_out[index]
        others = (held_out.row(number % len(held_out)) for number in range(index + 5, index + 5 + len(held_out)))
        other = next(one for one in others if not set(one["characters"]) & set(row["characters"]))
        duration = len(samples) / SAMPLE_RATE
        log_probs, seconds = aligner.emissions(samples)
        speech = speech_seconds(log_probs, seconds)
        assert gate(align(aligner, samples, tokens_of(row)), duration, speech) is None
        refused += gate(align(aligner, samples, tokens_of(other)), duration, speech) is not None
    assert refused >= 18


def test_a_character_ends_where_its_sound_ends_when_a_pause_follows(held_out: Bank, aligner: Aligner):
    first, row = held_out[0]
    second, _ = held_out[1]
    pause = np.zeros(SAMPLE_RATE, np.float32)
    tokens = [*tokens_of(row), *tokens_of(held_out.row(1))]
    spans = align(aligner, np.concatenate([first, pause, second]), tokens)
    last = spans[len(row["characters"]) - 1]
    assert last.end == pytest.approx(row["char_end"][-1], abs=0.08)
    assert spans[len(row["characters"])].start > len(first) / SAMPLE_RATE + 1.0 - 3 * FRAME_SECONDS
