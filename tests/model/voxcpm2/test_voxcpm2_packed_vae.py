"""The packed twin of the AudioVAE decoder: layer by layer what the decoder computes, in pieces and batches alike.

Whole decodes are compared on a decoder whose sines were slowed down: at the fixture's own, random weights make a
thousand times as much of a difference in the last bit.
"""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_checkpoint import CHECKPOINT, CPU, relative

from model.voxcpm2.audio_vae import AudioVAE, Chain, Snake
from model.voxcpm2.checkpoint import read_audio_vae
from model.voxcpm2.config import VoxCPM2Config
from model.voxcpm2.packed_vae import PackedAudioVAE, PackedDecoder, _twin
from model.voxcpm2.stream import Continuation, decode_side_by_side
from model.voxcpm2.vae_streaming import StreamState

PATCH = 4


@pytest.fixture
def calm(config: VoxCPM2Config) -> AudioVAE:
    """A decoder that does not magnify rounding: slow sines, and too quiet for the tanh at its end to saturate."""
    vae = read_audio_vae(config, CHECKPOINT, CPU)
    for module in vae.decoder.modules():
        if isinstance(module, Snake):
            module.alpha.mul_(0.02)
    for name, weight in vae.decoder.model[-1].named_buffers(recurse=False):
        weight.mul_(0.02 if name == "folded" else 1.0)
    return vae


def latents(vae: AudioVAE, rows: int, frames: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, vae.config.latent_dim, frames, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def test_every_layer_of_the_twin_computes_what_the_layer_does(vae: AudioVAE) -> None:
    x, rate = latents(vae, 2, 21), 1
    layers = [part for layer in vae.decoder.model for part in (layer.block if type(layer) is Chain else [layer])]
    for layer in layers:
        expected = layer(x, StreamState())
        twin = _twin(layer, rate)(x.transpose(1, 2).contiguous(), StreamState()).transpose(1, 2)
        assert relative(twin, expected) <= 1e-5, layer
        # The next layer gets something of unit size, as a trained decoder keeps it.
        x, rate = expected / expected.std(), rate * getattr(layer, "stride", 1)


@torch.inference_mode()
@pytest.mark.parametrize("alpha", [1e-3, 1.0, -2.0, 40.0])
def test_the_polynomial_gives_the_square_of_the_sine_to_the_last_two_bits(alpha: float) -> None:
    snake = Snake(4)
    snake.alpha.fill_(alpha)
    x = torch.linspace(-30, 30, 4 * 1200).view(1, 1200, 4)
    exact = x.double() + torch.sin(alpha * x.double()).square() / alpha
    assert relative(_twin(snake, 48)(x, StreamState()), exact) <= 2 * torch.finfo(torch.float32).eps


@torch.inference_mode()
def test_the_twin_decodes_the_same_audio_whole_and_in_pieces(calm: AudioVAE) -> None:
    twin, z = PackedDecoder(calm), latents(calm, 1, 41)
    whole = twin.decode(z)
    assert relative(whole, calm.decode(z)) <= 1e-5
    for sizes in ([4] * 10 + [1], [1, 17, 3, 20]):
        state = StreamState()
        pieces = torch.cat([twin.decode(piece, state=state) for piece in z.split(sizes, dim=2)], dim=2)
        assert (pieces - whole).abs().max() <= 1e-5


@torch.inference_mode()
def test_utterances_decoded_side_by_side_sound_as_each_alone(calm: AudioVAE) -> None:
    lengths = ((0, 3), (2, 25), (5, 1))
    utterances = [
        (latents(calm, heard, PATCH, seed).transpose(1, 2), latents(calm, new, PATCH, seed + 9).transpose(1, 2))
        for seed, (heard, new) in enumerate(lengths)
    ]
    together = decode_side_by_side(calm, utterances)
    for (heard, patches), audio in zip(utterances, together, strict=True):
        alone = Continuation(calm).whole(heard, patches)
        assert audio.shape == alone.shape
        assert abs(audio - alone).max() <= 1e-5


@torch.inference_mode()
@pytest.mark.parametrize("changed", ["model.0.folded", "model.2.block.0.alpha", "sr_cond_model.2.scale_embed.weight"])
def test_the_twin_follows_a_change_of_the_decoder(calm: AudioVAE, changed: str) -> None:
    held, z = PackedAudioVAE(calm), latents(calm, 1, 8)
    before = held().decode(z)
    assert held() is held()
    tensors = {**dict(calm.decoder.named_parameters()), **dict(calm.decoder.named_buffers())}
    tensors[changed].mul_(1.5)
    assert relative(held().decode(z), before) > 1e-3
    assert relative(held().decode(z), calm.decode(z)) <= 1e-5
    assert torch.equal(copy.deepcopy(held)().decode(z), held().decode(z))
