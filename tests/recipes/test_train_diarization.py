"""The diarization training on tones that stand for voices, and the checkpoint it left on a scene of held-out voices."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pyannote.audio import Pipeline
from pyannote.audio.core.plda import PLDA
from pyannote.core import Annotation, Segment
from pyannote.metrics.diarization import DiarizationErrorRate

from recipes.diarization.data import LENGTH, SLOTS, Talkers, activity, chunk, speech_stretches
from recipes.diarization.embedding import (
    EmbeddingPlan,
    build_embedding,
    equal_error_rate,
    fold_scale,
    masked_embeddings,
    speaker_masks,
    train_embedding,
)
from recipes.diarization.export import export
from recipes.diarization.plda import estimate_plda
from recipes.diarization.segmentation import (
    PermutationLoss,
    SegmentationPlan,
    build_network,
    frame_centres,
    frozen_features,
    learned_scores,
    train_segmentation,
)
from studio.scenes import scene
from studio.voices import cast

pytestmark = pytest.mark.slow

CHECKPOINT = Path(__file__).parents[2] / "checkpoints" / "diarization-micro"
PLAN = SegmentationPlan(steps=4, batch=4, fresh=2, memory=4, hidden=16, save_seconds=0.0)


class Tones:
    """A bank whose voices are buzzes of different pitch: (samples, row) like studio.bank.Bank."""

    def __init__(self, utterances: int = 70, voices: int = 70) -> None:
        rng = np.random.default_rng(0)
        self.items: list[tuple[np.ndarray, dict[str, Any]]] = []
        for number in range(utterances):
            voice = number % voices
            time = np.arange(int(16_000 * rng.uniform(0.6, 1.5))) / 16_000
            buzz = sum(np.sin(2 * np.pi * (80 + 5 * voice) * k * time) / k for k in range(1, 12))
            duration = len(time) / 16_000
            row = {"voice_id": f"t{voice:02d}", "char_start": [0.05, 0.3], "char_end": [0.25, duration - 0.05]}
            self.items.append(((0.1 * buzz).astype(np.float32), row))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int, /) -> tuple[np.ndarray, dict[str, Any]]:
        return self.items[index]


@pytest.fixture(scope="module")
def talkers() -> Talkers:
    return Talkers(Tones(), seed=0, rooms=2, noises=1)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def test_small_gaps_belong_to_the_speech_and_long_ones_do_not():
    assert speech_stretches([0.0, 0.4, 1.0], [0.3, 0.7, 1.2]) == [(0.0, 0.7), (1.0, 1.2)]


def test_conversations_repeat_by_number_and_never_have_three_at_once(talkers):
    for number in range(12):
        made, again = chunk(talkers, 5, number), chunk(talkers, 5, number)
        np.testing.assert_array_equal(made.samples, again.samples)
        assert made.stretches == again.stretches
        assert made.samples.shape == (LENGTH,)
        assert np.abs(made.samples).max() <= 1.0
        spoken = activity(made, np.arange(80.0, LENGTH, 160.0), 160.0)
        assert spoken.sum(-1).max() <= 2
        assert {slot for slot in range(SLOTS) if spoken[:, slot].any()} <= {
            slot for slot, name in enumerate(made.identities) if name >= 0
        }


def test_masks_cover_only_what_a_speaker_says_alone(talkers):
    made = chunk(talkers, 5, 3)
    masks = speaker_masks(made, np.random.default_rng(0))
    assert masks.sum(0).max() <= 1.0
    width = LENGTH / masks.shape[1]
    spoken = activity(made, width * (np.arange(masks.shape[1]) + 0.5), width)
    assert not (masks.T[~spoken]).any()


def test_the_shortened_forward_pass_is_the_networks_own():
    network = build_network(hidden=32).eval()
    waveforms = torch.randn(2, 1, LENGTH) * 0.1
    with torch.no_grad():
        own, ours = network(waveforms), learned_scores(network, frozen_features(network, waveforms))
    assert own.shape == ours.shape == (2, len(frame_centres(network)[0]), 7)
    torch.testing.assert_close(ours, own, atol=0.02, rtol=0.02)


def test_the_loss_does_not_care_which_speaker_has_which_slot():
    loss_of = PermutationLoss()
    scores = torch.randn(3, 20, 7).log_softmax(-1)
    spoken = torch.zeros(3, 20, 3)
    spoken[:, 5:12, 0] = 1.0
    spoken[:, 10:18, 2] = 1.0
    assert torch.isclose(loss_of(scores, spoken), loss_of(scores, spoken[:, :, [2, 0, 1]]))
    perfect = loss_of.powerset.to_powerset(spoken[:, :, [1, 2, 0]]).float().clamp(min=1e-6).log()
    assert loss_of.error_rate(perfect, spoken) == 0.0
    silent = torch.full((3, 20, 7), -10.0)
    silent[:, :, 0] = 0.0
    assert loss_of.error_rate(silent, spoken) == 1.0


def test_an_interrupted_segmentation_training_ends_with_the_same_weights(tmp_path):
    whole = train_segmentation(Tones, tmp_path / "whole.pt", PLAN, say=lambda _: None)
    train_segmentation(Tones, tmp_path / "part.pt", PLAN, say=lambda _: None, stop_after=2)
    resumed = train_segmentation(Tones, tmp_path / "part.pt", PLAN, say=lambda _: None)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_folded_scaling_is_the_same_function():
    network = build_embedding().eval()
    features, masks = torch.randn(2, 64, 251), torch.ones(2, 1, 250)
    centre, spread = torch.randn(64), torch.rand(64) + 0.5
    scaled = (features - centre[:, None]) / spread[:, None]
    with torch.no_grad():
        ours = masked_embeddings(network, scaled, masks)
        folded = masked_embeddings(fold_scale(network, centre, spread), features, masks)
    torch.testing.assert_close(folded, ours, atol=1e-4, rtol=1e-4)


def test_pooling_is_pyannotes():
    network = build_embedding().eval()
    waveforms = torch.randn(2, 1, LENGTH) * 0.1
    masks = (torch.rand(2, 250) > 0.5).float()
    with torch.no_grad():
        own = network(waveforms, weights=masks)
        ours = masked_embeddings(network, network.mfcc(waveforms[:, 0]), masks[:, None])[:, 0]
    torch.testing.assert_close(ours, own, atol=0.01, rtol=0.01)


def test_equal_error_rate_of_known_embeddings():
    apart = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    assert equal_error_rate(apart, np.array([0, 0, 1, 1])) == 0.0
    assert equal_error_rate(apart, np.array([0, 1, 0, 1])) > 0.4


def test_plda_tells_speakers_apart_better_than_plain_cosines(tmp_path):
    rng = np.random.default_rng(0)
    speakers = rng.standard_normal((200, 32))
    # Half of the directions carry mostly what is not the speaker.
    spread = np.where(np.arange(32) < 16, 0.3, 5.0)
    names = np.repeat(np.arange(200), 6)
    estimate_plda(speakers[names] + spread * rng.standard_normal((1200, 32)), names, tmp_path)
    plda = PLDA(tmp_path / "xvec_transform.npz", tmp_path / "plda.npz")
    fresh = np.repeat(rng.standard_normal((40, 32)), 4, axis=0) + spread * rng.standard_normal((160, 32))
    own = np.repeat(np.arange(40), 4)
    assert np.all(np.diff(plda.phi) <= 1e-6)
    assert plda.phi[0] > 3 * plda.phi[-1]
    assert equal_error_rate(plda(fresh) * np.sqrt(plda.phi), own) < 0.7 * equal_error_rate(fresh, own)
    with pytest.raises(ValueError, match="embed more voices"):
        estimate_plda(speakers[:20], np.arange(20) // 2, tmp_path)


def test_an_exported_folder_loads_and_runs_in_pyannote(tmp_path):
    train_segmentation(Tones, tmp_path / "segmentation.pt", PLAN, say=lambda _: None)
    plan = EmbeddingPlan(steps=2, batch=2)
    train_embedding(Tones, tmp_path / "embedding.pt", plan, say=lambda _: None)
    export(tmp_path, Tones(), tmp_path / "out", conversations=80)
    pipeline = Pipeline.from_pretrained(tmp_path / "out")
    assert pipeline is not None
    output = pipeline({"waveform": torch.randn(1, 12 * 16_000) * 0.05, "sample_rate": 16_000, "uri": "noise"})
    assert isinstance(output.speaker_diarization, Annotation)


def test_the_checkpoint_tells_held_out_voices_apart():
    pipeline = Pipeline.from_pretrained(CHECKPOINT)
    assert pipeline is not None
    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    for dialect, noise, seed in (("cmn", "pink", 21), ("cmn-sichuan", "white", 22)):
        made = scene(dialect, cast(3, random.Random(seed), True), 180.0, 0.08, 15.0, noise, 16_000, seed=seed)
        waveform = torch.from_numpy(made.samples)[None]
        output = pipeline({"waveform": waveform, "sample_rate": 16_000, "uri": "scene"})
        truth = Annotation(uri="scene")
        for number, turn in enumerate(made.turns):
            truth[Segment(turn.start, turn.end), number] = turn.speaker
        metric(truth, output.speaker_diarization)
    assert abs(metric) < 0.2
    assert sum(path.stat().st_size for path in CHECKPOINT.rglob("*")) < 8 * 2**20
