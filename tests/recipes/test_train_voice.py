"""voxcpm2-micro: its tokenizer, its sequences, both halves of its training, its export, and the embedded checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["PYANNOTE_METRICS_ENABLED"] = "0"

from model.voxcpm2 import load
from model.voxcpm2.audio_vae import AudioVAE
from model.voxcpm2.config import VoxCPM2Config
from model.voxcpm2.tokenizer import Tokenizer
from recipes.bank import Bank, build_bank
from recipes.state import load_state, save_state
from recipes.syllables import SILENCE
from recipes.voice import decoder
from recipes.voice.batches import SequenceSource, house_voices
from recipes.voice.codec import CodecTrainer, crops, normalised
from recipes.voice.latents import Latents, encode_bank
from recipes.voice.network import NetworkTrainer
from recipes.voice.scores import Listener, held_out_sentences, spoken
from recipes.voice.shape import DIALECTS, PATCH_FRAMES, micro_config
from recipes.voice.tokens import build_tokenizer
from recipes.voice.train import train
from recipes.voice.utterances import spliced
from recipes.whisper.scores import character_error_rate
from studio.scripts import characters

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "checkpoints" / "voxcpm2-micro"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voice") / "train"
    build_bank(path, hours=0.01, seed=5, held_out=False, workers=1, dialects=DIALECTS)
    return path


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return build_tokenizer()


@pytest.fixture(scope="module")
def config(tokenizer: Tokenizer) -> VoxCPM2Config:
    """The micro model's own shape, narrower and shallower still."""
    whole = micro_config(tokenizer.largest_id + 1)
    lm = whole.lm_config.model_dump() | {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "num_hidden_layers": 3,
        "kv_channels": 16,
    }
    local = {"hidden_dim": 32, "ffn_dim": 48, "num_heads": 2, "num_layers": 1, "kv_channels": 16}
    vae = whole.audio_vae_config.model_dump() | {"encoder_dim": 4, "decoder_dim": 64}
    return micro_config(
        tokenizer.largest_id + 1,
        lm_config=lm,
        residual_lm_num_layers=1,
        encoder_config=local,
        dit_config=local,
        audio_vae_config=vae,
    )


@pytest.fixture(scope="module")
def latents(bank: Path, config: VoxCPM2Config, tmp_path_factory: pytest.TempPathFactory) -> Latents:
    folder = tmp_path_factory.mktemp("latents")
    vae = normalised(CodecTrainer(config.audio_vae_config, 0).average, Bank(bank))
    save_state(folder / "codec.pt", vae.state_dict())
    encode_bank(0, bank, folder / "codec.pt", config.audio_vae_config, PATCH_FRAMES, folder / "latents.npz", None)
    return Latents.read(folder / "latents.npz")


@pytest.fixture
def source(bank: Path, latents: Latents, tokenizer: Tokenizer) -> SequenceSource:
    said = {name for row in Bank(bank).table.to_pylist() for name in _classes(row)}
    numbers = {name: number for number, name in enumerate(sorted(said), start=1)}
    source = SequenceSource(Bank(bank), latents, tokenizer, numbers, seed=2)
    # So small a bank has each voice once: let all be of one voice, so that each can be another's reference.
    source.by_voice = {voice: list(range(len(source.rows))) for voice in source.by_voice}
    return source


def test_every_character_of_four_dialects_is_one_token_and_the_rest_are_bytes(tokenizer: Tokenizer) -> None:
    text = "".join(characters())
    assert tokenizer.tokens(text) == ["▁", *text]
    assert tokenizer.tokens("(天津话)嘛呢？") == ["▁", *"(天津话)嘛呢？"]
    assert tokenizer.tokens("龘")[1:] == ["<0xE9>", "<0xBE>", "<0x98>"]
    assert tokenizer.tokens("<|audio_start|>")[1] == "<"


def test_normalised_latents_are_standard_and_sound_the_same(bank: Path, config: VoxCPM2Config) -> None:
    vae = CodecTrainer(config.audio_vae_config, 1).average
    audio = torch.from_numpy(Bank(bank)[0][0])[None, None]
    with torch.inference_mode():
        before = vae.decode(vae.encode(audio))
    vae = normalised(vae, Bank(bank))
    with torch.inference_mode():
        after = vae.decode(vae.encode(audio))
        pooled = torch.cat([vae.encode(torch.from_numpy(Bank(bank)[i][0])[None, None])[0] for i in range(8)], dim=1)
    # The decoder remembers its beginning, where padding stands for another latent now, for about twenty frames.
    torch.testing.assert_close(after[..., 32 * 640 :], before[..., 32 * 640 :], atol=1e-4, rtol=1e-3)
    assert float(pooled.mean(1).abs().max()) < 0.5
    assert 0.5 < float(pooled.std(1).min()) <= float(pooled.std(1).max()) < 2


def test_latents_of_the_bank_are_those_of_each_utterance_alone(
    bank: Path, latents: Latents, config: VoxCPM2Config
) -> None:
    vae = normalised(CodecTrainer(config.audio_vae_config, 0).average, Bank(bank))
    samples = Bank(bank)[3][0]
    short = -len(samples) % (640 * PATCH_FRAMES)
    with torch.inference_mode():
        alone = vae.encode(torch.nn.functional.pad(torch.from_numpy(samples), (0, short))[None, None])[0].T
    torch.testing.assert_close(latents[3].flatten(0, 1), alone, atol=5e-3, rtol=5e-3)


def test_sequences_are_laid_out_as_at_inference_and_carry_the_truth(source: SequenceSource) -> None:
    batch = source.batch(0, 12)
    again = source.batch(0, 12)
    assert torch.equal(batch.heard, again.heard)
    with_reference = batch.text[:, 0] == 103
    assert with_reference.any()
    for row in range(12):
        place = batch.loss_mask[row].nonzero()[:, 0]
        assert int(batch.text[row, place[0] - 1]) == 101
        assert batch.labels[row, place].tolist() == [0] * (len(place) - 1) + [1]
        assert torch.equal(batch.audio_mask[row, place], torch.ones(len(place), dtype=torch.bool))
        spans = batch.spans[row, place]
        seen = spans[spans[:, 1] > 0]
        assert bool((seen[1:, 0] >= seen[:-1, 0]).all())
        assert bool(batch.text_mask[row, seen[:, 0]].all())
        said = batch.parts[row, place].flatten(0, 1)
        assert bool((said[0] == SILENCE).all())
        assert bool((said > 0).any())


def test_a_splice_says_the_beginning_of_one_and_the_end_of_another(source: SequenceSource) -> None:
    mine, theirs = source.rows[0], source.rows[1]
    row, patches = spliced((mine, source.latents[0]), (theirs, source.latents[1]), 0.5)
    head, first = round(len(mine.places) / 2), round(len(theirs.places) / 2)
    said = [mine.ids[place] for place in mine.places[:head]] + [theirs.ids[place] for place in theirs.places[first:]]
    assert [row.ids[place] for place in row.places] == said
    assert row.ids[: row.places[0]] == mine.ids[: mine.places[0]]
    assert row.ids[row.places[-1] :] == theirs.ids[theirs.places[-1] :]
    assert row.syllables == mine.syllables[:head] + theirs.syllables[first:]
    assert row.starts == sorted(row.starts)
    frames, other = patches.flatten(0, 1), source.latents[1].flatten(0, 1)
    cut = round(mine.ends[head - 1] * 25)
    torch.testing.assert_close(frames[:cut], source.latents[0].flatten(0, 1)[:cut])
    begin = round(row.starts[head] * 25)
    assert begin == cut
    torch.testing.assert_close(frames[begin : begin + 5], other[round(theirs.starts[first] * 25) :][:5])


def test_a_description_stands_before_the_text_and_is_not_read(source: SequenceSource) -> None:
    index = next(number for number, row in enumerate(source.rows) if row.dialect == "cmn")
    rng = np.random.default_rng(0)
    described = [row for row, _ in (source._spoken(index, rng) for _ in range(60)) if source.open in row.ids]
    assert 2 <= len(described) <= 25
    for row in described:
        assert row.ids.index(source.open) < row.ids.index(source.close) < row.places[0]


def test_plain_text_is_spoken_by_house_voices_alone(source: SequenceSource) -> None:
    house = set(house_voices())
    assert {source.rows[index].voice for index in source.house} <= house or len(source.house) == len(source.all)
    assert len(house) == 8


def test_the_codec_learns_and_goes_on_as_if_never_stopped(bank: Path, config: VoxCPM2Config, tmp_path: Path) -> None:
    speech = Bank(bank)
    straight = CodecTrainer(config.audio_vae_config, 3)
    losses = [straight.update(crops(speech, 3, step, 6400), 0.0)["mel"] for step in range(30)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])

    first = CodecTrainer(config.audio_vae_config, 3)
    for step in range(2):
        first.update(crops(speech, 3, step, 6400), 0.0)
    save_state(tmp_path / "codec.pt", first.state())
    second = CodecTrainer(config.audio_vae_config, 3)
    saved = load_state(tmp_path / "codec.pt")
    assert saved is not None
    second.load(saved)
    unbroken = CodecTrainer(config.audio_vae_config, 3)
    for step in range(4):
        unbroken.update(crops(speech, 3, step, 6400), 0.0)
        if step >= 2:
            second.update(crops(speech, 3, step, 6400), 0.0)
    _assert_same(unbroken.average, second.average)


def test_the_network_learns_and_goes_on_as_if_never_stopped(
    source: SequenceSource, config: VoxCPM2Config, tmp_path: Path
) -> None:
    straight = NetworkTrainer(config, source.parts, len(source.voices), 4)
    losses = [straight.update(source.batch(step, 4), 0.0) for step in range(40)]
    for name in ("stop", "frame", "attention"):
        first, last = (np.mean([each[name] for each in part]) for part in (losses[:5], losses[-5:]))
        assert last < 0.95 * first, name

    first = NetworkTrainer(config, source.parts, len(source.voices), 4)
    for step in range(2):
        first.update(source.batch(step, 4), 0.0)
    save_state(tmp_path / "network.pt", first.state())
    second = NetworkTrainer(config, source.parts, len(source.voices), 4)
    saved = load_state(tmp_path / "network.pt")
    assert saved is not None
    second.load(saved)
    unbroken = NetworkTrainer(config, source.parts, len(source.voices), 4)
    for step in range(4):
        unbroken.update(source.batch(step, 4), 0.0)
        if step >= 2:
            second.update(source.batch(step, 4), 0.0)
    _assert_same(unbroken.average, second.average)


def test_a_whole_training_gives_a_folder_that_speaks(bank: Path, config: VoxCPM2Config, tmp_path: Path) -> None:
    train(bank, tmp_path / "out", threads=1, state=tmp_path / "state", config=config, steps=(2, 2, 2))
    model = load(tmp_path / "out", device="cpu")
    assert isinstance(model.audio_vae, AudioVAE)
    result = model.speak("你好。", dialect="cmn-sichuan", max_patches=3, attempts=1)
    assert result.sample_rate == 16_000
    assert result.patches == 3
    assert bool(np.isfinite(result.audio).all())
    # All is done: another call trains nothing and writes the same weights.
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    train(bank, tmp_path / "out", threads=1, state=tmp_path / "state", config=config, steps=(2, 2, 2))
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before


def test_the_decoder_alone_learns_letters(
    bank: Path, latents: Latents, config: VoxCPM2Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "CROPS", 2)
    judges = decoder.Judges()
    trainer = CodecTrainer(config.audio_vae_config, 5)
    encoder = trainer.vae.encoder.fc_mu.weight_v.detach().clone()
    losses = []
    for step in range(30):
        pieces = decoder.decoder_crops(Bank(bank), latents, 640, 5, step)
        losses.append(decoder.update_decoder(trainer, judges, pieces, 0.0))
    for name in ("mel", "features"):
        first, last = (np.mean([each[name] for each in part]) for part in (losses[:5], losses[-5:]))
        assert last < 0.9 * first, name
    assert torch.equal(trainer.vae.encoder.fc_mu.weight_v, encoder)


def test_pieces_that_begin_with_their_utterance_count_from_the_first_frame(bank: Path, latents: Latents) -> None:
    speech = Bank(bank)
    beginnings = {speech[index][0][:640].tobytes() for index in range(len(latents))}
    kinds = set()
    for step in range(12):
        pieces = decoder.decoder_crops(speech, latents, 640, 5, step)
        at_beginning = all(piece.numpy().tobytes() in beginnings for piece in pieces.audio[:, :640])
        assert at_beginning == (pieces.lead == 0)
        kinds.add(pieces.lead)
    assert kinds == {0, decoder.LEAD_FRAMES}


def test_the_embedded_voice_speaks_held_out_sentences_and_stops() -> None:
    model = load(CHECKPOINT, device="cpu")
    listener = Listener(ROOT / "checkpoints" / "whisper-micro")
    said, heard = [], []
    for dialect in DIALECTS:
        sentences = held_out_sentences(dialect, 3)
        for sentence, result in zip(sentences, spoken(model, sentences), strict=True):
            assert result.stop_reason == "stopped"
            said.append("".join(sentence.characters))
            heard.append(listener.transcribe(result.audio, dialect))
    assert character_error_rate(said, heard) <= 0.30


def _classes(row: dict[str, object]) -> list[str]:
    from recipes.syllables import syllable_class

    return [syllable_class(str(row["dialect"]), each) for each in row["syllables"]]  # type: ignore[attr-defined]


def _assert_same(one: torch.nn.Module, other: torch.nn.Module) -> None:
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name
