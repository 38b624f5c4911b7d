"""whisper-micro: features, tokens, windows, training that resumes exactly, export, and the embedded checkpoint."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

os.environ["HF_HUB_OFFLINE"] = "1"

from recipes.bank import Bank, build_bank
from recipes.features import log_mel
from recipes.state import load_state, save_state
from recipes.syllables import PartTable, parts
from recipes.whisper.export import export, tokenizer
from recipes.whisper.read_back import read_back
from recipes.whisper.scores import faster_whisper_rates
from recipes.whisper.tokens import LANGUAGE_OF_DIALECT, Tokens
from recipes.whisper.train import Trainer
from recipes.whisper.windows import IGNORE, Windows
from studio.scripts import characters

pytestmark = pytest.mark.slow

CHECKPOINT = Path(__file__).parents[2] / "checkpoints" / "whisper-micro"
SYLLABLES = {"ni3": 1, "hao3": 2, "wo3": 3, "yue:ngo5": 4, "yue:hai6": 5}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bank")
    torch.set_num_threads(1)
    build_bank(path, hours=0.02, seed=5, held_out=True, workers=1)
    return path


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return Tokens(characters())


@pytest.fixture(scope="module")
def model() -> Any:
    from faster_whisper import WhisperModel

    return WhisperModel(str(CHECKPOINT), device="cpu", compute_type="int8", cpu_threads=1)


def test_features_equal_those_of_faster_whisper() -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    rng = np.random.default_rng(0)
    samples = (rng.standard_normal(52_345) * np.linspace(0, 0.3, 52_345)).astype(np.float32)
    theirs = FeatureExtractor()(samples)[:, : len(samples) // 160]
    np.testing.assert_allclose(log_mel(samples).numpy(), theirs, atol=2e-4)


def test_text_becomes_one_token_a_character_and_comes_back(tokens: Tokens) -> None:
    row = {"text": "你好、我好。", "characters": list("你好我好")}
    encoded = tokens.encode(row)
    assert tokens.decode([token for token, _ in encoded]) == "你好，我好。"
    assert [character for _, character in encoded] == [0, 1, -1, 2, 3, -1]
    fast = tokenizer(tokens)
    assert fast.encode("你好，", add_special_tokens=False).ids == [token for token, _ in encoded[:3]]
    assert fast.token_to_id("<|yue|>") == tokens.language("yue")


def test_text_that_does_not_spell_its_characters_is_refused(tokens: Tokens) -> None:
    with pytest.raises(ValueError, match="does not spell"):
        tokens.encode({"text": "你好。", "characters": list("我好")})


def test_a_syllable_is_initial_final_and_tone() -> None:
    assert parts("zhuang1") == ("zh", "uang", "1")
    assert parts("er2") == ("", "er", "2")
    assert parts("yue:ng5") == ("yue:", "yue:ng", "yue:5")
    table = PartTable(SYLLABLES)
    labels = table.of(torch.tensor([0, 1, IGNORE]), IGNORE)
    assert labels[0].tolist() == [0, 0, 0]
    assert (labels[1] > 0).all()
    assert labels[2].tolist() == [IGNORE] * 3


def test_a_batch_is_a_function_of_seed_step_and_progress(bank: Path, tokens: Tokens) -> None:
    first = Windows(bank, tokens, SYLLABLES, 3).batch(7, 0.9)
    again = Windows(bank, tokens, SYLLABLES, 3).batch(7, 0.9)
    assert torch.equal(first.mel, again.mel)
    assert torch.equal(first.tokens, again.tokens)
    assert not torch.equal(Windows(bank, tokens, SYLLABLES, 4).batch(7, 0.9).mel[0, 0, :10], first.mel[0, 0, :10])


def test_targets_follow_the_tokens_and_spans_lie_inside_the_window(bank: Path, tokens: Tokens) -> None:
    windows = Windows(bank, tokens, SYLLABLES, 0)
    rng = np.random.default_rng(1)
    for _ in range(40):
        window = windows.window(rng, 12.0, 0.5)
        assert len(window.tokens) == len(window.targets) == len(window.spans)
        assert window.targets[-1] == tokens.end
        assert window.tokens[0] == tokens.start
        assert window.targets[0] in (window.tokens[1], tokens.no_speech)
        starts = [start for start, end in window.spans if end > 0]
        assert starts == sorted(starts)
        assert all(end <= window.mel.shape[1] // 2 + 2 for _, end in window.spans)


def test_resumed_training_equals_undisturbed_training(bank: Path, tokens: Tokens, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    windows = Windows(bank, tokens, SYLLABLES, 0)
    batches = [windows.batch(step, 0.0) for step in range(2)]
    straight = Trainer(tokens.characters, SYLLABLES, steps=2, minutes=None, seed=1)
    for batch in batches:
        straight.update(batch)

    first = Trainer(tokens.characters, SYLLABLES, steps=2, minutes=None, seed=1)
    for batch in batches[:1]:
        first.update(batch)
    save_state(tmp_path / "state.pt", first.state())
    second = Trainer(tokens.characters, SYLLABLES, steps=2, minutes=None, seed=2)
    second.seed = 1
    state = load_state(tmp_path / "state.pt")
    assert state is not None
    second.load(state)
    for batch in batches[1:]:
        second.update(batch)
    for name, value in straight.average.state_dict().items():
        assert torch.equal(value, second.average.state_dict()[name]), name


def test_a_training_may_begin_with_an_exported_network(tokens: Tokens, tmp_path: Path) -> None:
    trainer = Trainer(tokens.characters, SYLLABLES, steps=1, minutes=None, seed=0)
    save_state(tmp_path / "state.pt", trainer.state())
    export(tmp_path / "state.pt", tmp_path / "out")
    warm = Trainer(tokens.characters, SYLLABLES, steps=1, minutes=None, seed=1)
    warm.training.begin_with(read_back(tmp_path / "out"))
    own = warm.average.state_dict()
    for name, value in trainer.average.state_dict().items():
        if "frame_classifier" not in name:  # what only training uses is not exported
            assert (own[name] - value).abs().max() <= value.abs().max() / 120, name  # int8
    assert warm.lesson(0.0) > trainer.lesson(0.0) == 0.0
    assert warm.lesson(1.0) == trainer.lesson(1.0) == 1.0


def test_an_export_is_multilingual_and_keeps_the_network(tokens: Tokens, tmp_path: Path) -> None:
    from faster_whisper import WhisperModel

    trainer = Trainer(tokens.characters, SYLLABLES, steps=1, minutes=None, seed=0)
    save_state(tmp_path / "state.pt", trainer.state())
    export(tmp_path / "state.pt", tmp_path / "out")
    model = WhisperModel(str(tmp_path / "out"), device="cpu", compute_type="float32", cpu_threads=1)
    assert model.model.is_multilingual
    assert model.hf_tokenizer.token_to_id("<|yue|>") == tokens.language("yue")
    mel = log_mel((np.random.default_rng(0).standard_normal(480_000) * 0.1).astype(np.float32))
    with torch.inference_mode():
        ours = trainer.average.encoder(mel[None])[0].numpy()
    theirs = np.array(model.encode(mel.numpy()))[0]
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999


def test_the_checkpoint_reads_held_out_speech(bank: Path) -> None:
    rates = faster_whisper_rates(CHECKPOINT, bank, per_dialect=3)
    assert rates["clean"] <= 0.08
    assert rates["10dB"] <= 0.20


def test_the_checkpoint_times_its_characters(bank: Path, model: Any) -> None:
    from faster_whisper import BatchedInferencePipeline

    speech = Bank(bank)
    errors: list[float] = []
    for index in range(4):
        samples, row = speech[index]
        clip: Any = [{"start": 0.0, "end": len(samples) / 16_000}]
        segments, _ = BatchedInferencePipeline(model).transcribe(
            samples, language=LANGUAGE_OF_DIALECT[row["dialect"]], clip_timestamps=clip, word_timestamps=True
        )
        words = [word for segment in segments for word in segment.words or []]
        assert all(0.0 <= word.start <= word.end <= len(samples) / 16_000 + 0.05 for word in words)
        if len(words) == len(row["characters"]):
            errors += [abs(word.start - start) for word, start in zip(words, row["char_start"], strict=True)]
    assert np.median(errors) < 0.12


def test_the_checkpoint_finds_the_language_and_hears_nothing_in_noise(bank: Path, model: Any) -> None:
    from faster_whisper import BatchedInferencePipeline

    speech = Bank(bank)
    found = []
    for index in range(8):
        samples, row = speech[index]
        found.append(model.detect_language(samples)[0] == LANGUAGE_OF_DIALECT[row["dialect"]])
    assert sum(found) >= 7
    hiss = (np.random.default_rng(0).standard_normal(64_000) * 0.01).astype(np.float32)
    clip: Any = [{"start": 0.0, "end": 4.0}]
    segments, _ = BatchedInferencePipeline(model).transcribe(hiss, language="zh", clip_timestamps=clip)
    assert all(segment.no_speech_prob > 0.6 for segment in segments)
