"""The CTC recogniser is taught what is said when, can be interrupted, and is in sherpa-onnx what it was in training."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.project import PROJECT
from pipeline.recognition import sherpa_folder
from pipeline.recognition.sherpa import SherpaOnnx
from pipeline.settings import RecognizerSettings
from recipes.bank import Bank, build_bank
from recipes.ctc.data import BLANK, IGNORE, Batch, Clip, Clips, collate, frame_labels
from recipes.ctc.export import write
from recipes.ctc.features import fbank
from recipes.ctc.model import CtcNet, CtcShape
from recipes.ctc.scores import best_paths
from recipes.ctc.train import Trainer
from recipes.state import load_state, save_state
from recipes.whisper.scores import character_error_rate
from studio.scripts import characters

pytestmark = pytest.mark.slow

SYLLABLES = {"ni3": 1, "hao3": 2, "wo3": 3, "yue:ngo5": 4, "yue:hai6": 5}
SMALL = {"width": 16, "blocks": 2, "kernel": 3, "heard_after": 1}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bank")
    torch.set_num_threads(1)
    build_bank(path, hours=0.02, seed=5, held_out=True, workers=1)
    return path


@pytest.fixture(scope="module")
def clips(bank: Path) -> Clips:
    return Clips(bank, characters(), SYLLABLES, seed=3)


@pytest.fixture(scope="module")
def net() -> CtcNet:
    torch.manual_seed(2)
    return CtcNet(CtcShape(labels=7, parts=3, **SMALL)).eval()


def test_a_label_begins_with_its_character_and_a_blank_parts_equal_ones() -> None:
    said = [(5, 1, 0.10, 0.30), (5, 2, 0.30, 0.50), (6, 3, 0.50, 0.62)]
    labels, syllables = frame_labels(Clip(np.zeros(16_000, np.float32), said), 25)
    assert labels.tolist() == [BLANK] * 3 + [5] * 4 + [BLANK] + [5] * 5 + [6] * 3 + [BLANK] * 9
    assert syllables.tolist() == [0] * 3 + [1] * 5 + [2] * 5 + [3] * 3 + [0] * 9


def test_a_batch_is_a_function_of_seed_step_and_progress(bank: Path, clips: Clips) -> None:
    first, again = clips.batch(7, 0.9), Clips(bank, characters(), SYLLABLES, seed=3).batch(7, 0.9)
    assert torch.equal(first.features, again.features)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(clips.batch(8, 0.9).targets, first.targets)


def test_frames_say_the_same_characters_as_the_text(clips: Clips) -> None:
    batch = clips.batch(1, 0.9)
    starts = np.cumsum([0, *batch.target_lengths.tolist()])
    for row, (first, last) in enumerate(itertools.pairwise(starts)):
        frames = batch.characters[row]
        frames = frames[frames != IGNORE].tolist()
        assert len(frames) == -(-int(batch.lengths[row]) // 4)
        path = [label for label, before in zip(frames, [BLANK, *frames], strict=False) if label != before]
        assert [label for label in path if label != BLANK] == batch.targets[first:last].tolist()


def test_clips_padded_together_are_heard_as_alone(net: CtcNet) -> None:
    rng = np.random.default_rng(0)
    sounds = [(rng.standard_normal(size) * 0.1).astype(np.float32) for size in (16_000, 9_137, 400)]
    together = collate([Clip(sound, []) for sound in sounds])
    with torch.inference_mode():
        scores, _, frames = net(together.features, together.lengths)
        for row, sound in enumerate(sounds):
            alone = fbank(sound)[None]
            single, _, length = net(alone, torch.tensor([alone.shape[1]]))
            assert frames[row] == length[0] == single.shape[1]
            torch.testing.assert_close(scores[row, : length[0]], single[0], atol=1e-5, rtol=1e-4)


def test_resumed_training_equals_undisturbed_training(clips: Clips, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    batches = [clips.batch(step, 0.5) for step in range(4)]

    def trained(trainer: Trainer, part: list[Batch]) -> Trainer:
        for batch in part:
            trainer.update(batch)
        return trainer

    straight = trained(Trainer(characters(), SYLLABLES, 4, None, 1, **SMALL), batches)
    first = trained(Trainer(characters(), SYLLABLES, 4, None, 1, **SMALL), batches[:2])
    save_state(tmp_path / "state.pt", first.state())
    second = Trainer(characters(), SYLLABLES, 4, None, 1, **SMALL)
    state = load_state(tmp_path / "state.pt")
    assert state is not None
    second.load(state)
    trained(second, batches[2:])
    for name, value in straight.average.state_dict().items():
        assert torch.equal(value, second.average.state_dict()[name]), name
    assert second.heard_seconds == pytest.approx(straight.heard_seconds)


def test_a_warm_training_begins_with_the_other_network_and_goes_on_at_half_the_rates(tmp_path: Path) -> None:
    other = Trainer(characters(), SYLLABLES, 4, None, 1, **SMALL)
    warm = Trainer(characters(), SYLLABLES, 4, None, 2, **SMALL)
    warm.training.begin_with(other.average.state_dict())
    for name, value in other.average.state_dict().items():
        assert torch.equal(value, warm.average.state_dict()[name]), name
    save_state(tmp_path / "state.pt", warm.state())
    again = Trainer(characters(), SYLLABLES, 4, None, 2, **SMALL)
    state = load_state(tmp_path / "state.pt")
    assert state is not None
    again.load(state)
    assert again.lesson(0.0) == warm.lesson(0.0) > 0.0
    assert again.training._peaks == warm.training._peaks
    assert all(rate == 0.5 * other.training._peaks[name] for name, rate in warm.training._peaks.items())
    with pytest.raises(ValueError, match="none of 1 weights"):
        warm.training.begin_with({"no such layer": torch.zeros(1)})


def test_the_loss_of_every_part_falls(clips: Clips) -> None:
    torch.set_num_threads(1)
    trainer = Trainer(characters(), SYLLABLES, steps=40, minutes=None, seed=0, **SMALL)
    batch = clips.batch(0, 0.0)
    losses = [trainer.update(batch) for _ in range(12)]
    assert all(losses[-1][name] < losses[0][name] for name in ("ctc", "character", "syllable"))


def test_the_onnx_file_computes_what_the_network_does(net: CtcNet, tmp_path: Path) -> None:
    import onnxruntime

    write(net, "一二三四五六", tmp_path)
    session: Any = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    batch = collate([Clip((rng.standard_normal(size) * 0.1).astype(np.float32), []) for size in (20_000, 9_000)])
    given = {"x": batch.features.numpy(), "x_lens": batch.lengths.numpy()}
    log_probs, lengths = session.run(None, given)
    with torch.inference_mode():
        scores, _, frames = net(batch.features, batch.lengths)
    np.testing.assert_allclose(log_probs, scores.log_softmax(-1).numpy(), atol=5e-3)
    assert lengths.tolist() == frames.tolist()
    metadata = sherpa_folder.metadata_of(tmp_path / "model.onnx")
    assert metadata["model_type"] == "zipformer2_ctc"
    assert metadata["vocab_size"] == "7"


def test_sherpa_hears_the_features_that_training_heard(net: CtcNet, bank: Path, tmp_path: Path) -> None:
    speech = Bank(bank)
    sounds = [speech[index][0] for index in range(6)]
    write(net, "一二三四五六", tmp_path / "ctc")
    recognizer = SherpaOnnx(RecognizerSettings(name="ctc", kind="sherpa-onnx", checkpoint=str(tmp_path / "ctc")))
    heard = [hypothesis.text for hypothesis in recognizer.transcribe(sounds, "cmn")]
    ours = best_paths(net, "一二三四五六", [Clip(sound, []) for sound in sounds])
    assert sum(map(len, ours)) > 50
    assert character_error_rate(ours, heard) < 0.02


def test_the_checkpoint_reads_held_out_speech(bank: Path) -> None:
    speech = Bank(bank)
    folder = str(PROJECT / "checkpoints" / "ctc-micro")
    recognizer = SherpaOnnx(RecognizerSettings(name="ctc", kind="sherpa-onnx", checkpoint=folder))
    sounds, rows = zip(*(speech[index] for index in range(len(speech))), strict=True)
    heard = [hypothesis.text for hypothesis in recognizer.transcribe(sounds, "cmn")]
    assert character_error_rate(["".join(row["characters"]) for row in rows], heard) <= 0.08
