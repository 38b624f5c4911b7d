"""A small model that learns two utterances by heart says each of them when asked, and stops."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchaudio
from tiny_checkpoint import CHECKPOINT
from tiny_training import Murmur, manifest, settings

from model import voxcpm2
from model.finetune.config import LoraConfig
from model.finetune.lora import Lora
from model.finetune.train import fine_tune
from model.voxcpm2 import Request, VoxCPM2
from model.voxcpm2.audio_vae import AudioVAE, CausalConv, ResidualUnit, Snake
from model.voxcpm2.config import VoxCPM2Config
from model.voxcpm2.network import Network
from model.voxcpm2.result import StopReason
from model.voxcpm2.tokenizer import Tokenizer
from pipeline.audio import clips

pytestmark = pytest.mark.slow

TEXTS = ("今天天气很好", "你好世界")
PATCHES = 5


@pytest.fixture(scope="module")
def utterances(murmur: Murmur) -> list[np.ndarray]:
    """Two voices, the second an octave higher and twice as fast."""
    seconds = PATCHES * 0.16
    return [murmur(seconds, 16000, 0), murmur(2 * seconds, 8000, 1)]


@torch.no_grad()
def nearly_linear_vae(config: VoxCPM2Config, probe: np.ndarray) -> AudioVAE:
    """Random, but latents that are near each other sound alike, as with a trained one: its sines hardly bend.

    Scaled so that `probe` has latents of unit variance and is decoded at a usual loudness.
    """
    vae = AudioVAE(config.audio_vae_config).eval().requires_grad_(False)
    for module in vae.modules():
        if isinstance(module, Snake):
            module.alpha.fill_(0.05)
        if isinstance(module, ResidualUnit):
            for layer in module.block:
                if isinstance(layer, CausalConv):
                    layer.weight_g.fill_(0.3)
    wave = torch.from_numpy(probe)[None, None]
    vae.encoder.fc_mu.weight_g.div_(vae.encode(wave).std())
    last = vae.decoder.model[-1]
    assert isinstance(last, CausalConv)
    last.weight_g.div_(5 * torch.atanh(vae.decode(vae.encode(wave)).clamp(-0.999999, 0.999999)).std())
    return vae.fold()


def small_model(probe: np.ndarray) -> VoxCPM2:
    """About two million random parameters with the tokenizer of the tiny checkpoint."""
    fields = json.loads((CHECKPOINT / "config.json").read_text())
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "kv_channels": 32, "rope_scaling": None}
    fields["lm_config"] |= {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4, **heads}
    local = {"hidden_dim": 128, "ffn_dim": 256, "num_heads": 4, "kv_channels": 32}
    fields["encoder_config"] |= {**local, "num_layers": 1}
    fields["dit_config"] |= {**local, "num_layers": 4}
    fields["audio_vae_config"] |= {"latent_dim": 8}
    config = VoxCPM2Config.model_validate({**fields, "feat_dim": 8, "scalar_quantization_latent_dim": 32})
    torch.manual_seed(1)
    network = Network(config).eval()
    torch.nn.init.normal_(network.base_lm.embed_tokens.weight, std=0.5)
    return VoxCPM2(config, network, nearly_linear_vae(config, probe), Tokenizer.read(CHECKPOINT))


def log_mel(samples: torch.Tensor) -> torch.Tensor:
    """(40, T) log10 of a mel spectrogram, 100 frames a second."""
    mel = torchaudio.transforms.MelSpectrogram(48000, 2048, hop_length=480, n_mels=40)
    return torch.log10(mel(samples.flatten()) + 1e-6)


def test_two_utterances_are_learned_by_heart(utterances: list[np.ndarray], tmp_path: Path) -> None:
    base = small_model(utterances[0])
    assert 1.8e6 < sum(each.numel() for each in base.network.parameters()) < 2.2e6
    base.save(tmp_path / "base")
    for index, samples in enumerate(utterances):
        (tmp_path / f"{index}.flac").write_bytes(clips.encode_flac(samples, 16000))
    lines = [{"audio": f"{index}.flac", "text": text} for index, text in enumerate(TEXTS)]
    path = manifest(tmp_path / "train.jsonl", lines * 4)
    config = settings(
        kind="full", steps=220, warmup=10, learning_rate=3e-3, batch_samples=8, accumulate=1, save_every=220
    )
    report = fine_tune(tmp_path / "base", path, None, tmp_path / "out", config, tmp_path / "cache")
    assert np.mean([point["diffusion"] for point in report.train[-10:]]) < 0.3 * report.train[0]["diffusion"]

    model = voxcpm2.load(tmp_path / "out", dtype="float32", device="cpu")
    latents = [model.encode_samples(torch.from_numpy(samples), continued=False) for samples in utterances]
    latents.append(torch.randn(latents[0].shape, generator=torch.Generator().manual_seed(0)))
    own = [log_mel(model.audio_vae.decode(each.flatten(0, 1).T[None])) for each in latents]
    requests = [Request(text, seed=5, attempts=1, steps=20) for text in TEXTS]
    for index, result in enumerate(model.generate(requests)):
        assert (result.patches, result.stop_reason) == (PATCHES, StopReason.STOPPED)
        said = log_mel(torch.from_numpy(result.audio))
        distances = [float((said - each).abs().mean()) for each in own]
        assert all(distances[index] < 0.5 * other for place, other in enumerate(distances) if place != index), distances

    # Three patches, before the model may stop: all of one length.
    requests = [replace(request, max_patches=3) for request in requests]
    before = spoken(model, requests)
    adapters = Lora(model.network, LoraConfig(r=8))
    adapters.initialise(torch.Generator().manual_seed(0))
    for adapter in adapters.adapters.values():
        adapter.requires_grad_(False).lora_B.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    assert not np.allclose(spoken(model, requests), before, atol=1e-3)
    adapters.enabled = False
    assert np.array_equal(spoken(model, requests), before)


def spoken(model: VoxCPM2, requests: list[Request]) -> np.ndarray:
    return np.concatenate([result.audio for result in model.generate(requests)])
