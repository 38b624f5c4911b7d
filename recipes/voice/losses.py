"""The two losses of VoxCPM2, and four that the studio's truth allows, which help a small network in little time.

The truth tells what every frame says, how every character is read, and which character the language model should look
at, and who the reference is. What learns it sits in `Hints`, beside the network, and is thrown away after training.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.voxcpm2.config import VoxCPM2Config
from model.voxcpm2.flow_matching import TrainingDraws
from model.voxcpm2.network import Network, States
from model.voxcpm2.transformer import TransformerStack
from recipes.voice.batches import IGNORE, Sequences

# Heads 0 and 1 of these layers of the text language model look at the characters just said, and at those to come.
_GUIDED_HEADS = 2


class Hints(nn.Module):
    """Linear readers: of the frames to come and of the voice from the states before, of a character from its place."""

    def __init__(self, config: VoxCPM2Config, sizes: tuple[int, ...], voices: int) -> None:
        super().__init__()
        self.sizes, self.frames = sizes, config.patch_size
        width = config.lm_config.hidden_size
        self.frame_head = nn.Linear(2 * width, config.patch_size * sum(sizes))
        self.read_head = nn.Linear(width, sum(sizes))
        self.voice_head = nn.Linear(2 * width, voices)


def guided_layers(config: VoxCPM2Config) -> tuple[int, int]:
    """The layers whose heads look at what was just said, and at what comes."""
    layers = config.lm_config.num_hidden_layers
    return layers // 3 - (layers > 2), 2 * layers // 3 - (layers > 2)


def voice_losses(network: Network, hints: Hints, batch: Sequences) -> dict[str, Tensor]:
    """All losses of a batch, teacher-forced on what is heard; see `weighted` for their sum."""
    said_layer, next_layer = guided_layers(network.config)
    watched: dict[int, Any] = {said_layer: None, next_layer: None}
    states, lower = _states(network, batch, watched)
    before = States(_later(states.text), _later(states.residual))
    target = batch.loss_mask
    chosen = States(before.text[target], before.residual[target])
    clean = batch.patches[target].transpose(1, 2)
    previous = _later(batch.heard)[target].transpose(1, 2)
    errors = network.feat_decoder.training_loss(clean, network.condition(chosen), previous, TrainingDraws.draw(clean))
    stop = F.cross_entropy(network.stop_logits(chosen).float(), batch.labels[target])

    joined = torch.cat([chosen.text, chosen.residual], dim=-1)
    logits = hints.frame_head(joined).float().unflatten(-1, (hints.frames, -1)).flatten(0, 1)
    frame = _parts_loss(logits, batch.parts[target].flatten(0, 1), hints.sizes)
    known = batch.read[..., 0] != IGNORE
    read = _parts_loss(hints.read_head(lower[known]).float(), batch.read[known], hints.sizes)
    coming = _off_span(watched[next_layer], torch.cat([batch.spans[:, 1:], batch.spans[:, :1] * 0 - 1], dim=1))
    said = _off_span(watched[said_layer], batch.spans)
    # All plain: then there is no voice to tell, and the mean of nothing would not be a number.
    named = batch.voices[target]
    voice = F.cross_entropy(hints.voice_head(joined).float(), named, ignore_index=IGNORE, reduction="sum")
    return {
        "diffusion": errors.mean(),
        "stop": stop,
        "frame": frame,
        "read": read,
        "attention": coming + 0.5 * said,
        "voice": voice / (named != IGNORE).sum().clamp(min=1),
    }


def weighted(parts: dict[str, Tensor], progress: float) -> Tensor:
    """The sum to descend: the hints count less and less."""
    hint = 0.3 * (1 - 0.8 * progress)
    hints = parts["frame"] + 0.3 * parts["read"] + parts["attention"]
    return parts["diffusion"] + 0.5 * parts["stop"] + hint * hints + 0.2 * parts["voice"]


def _states(network: Network, batch: Sequences, watched: dict[int, Any]) -> tuple[States, Tensor]:
    """`Network.forward` with the attention (B, H, T, T) of the watched layers, and the output of the first of them."""
    on_text, on_audio = batch.text_mask, batch.audio_mask
    heard = network._scatter_patches(batch.heard, on_audio)
    x = on_text[..., None] * network.base_lm.embed_tokens(batch.text) + heard
    hidden, lower = _watched_stack(network.base_lm, x, watched)
    text = on_audio[..., None] * network.fsq_layer(hidden) + on_text[..., None] * hidden
    fused = network.fusion_concat_proj(torch.cat([text, heard], dim=-1))
    return States(text, network.residual_lm(fused)), lower


def _watched_stack(stack: TransformerStack, x: Tensor, watched: dict[int, Any]) -> tuple[Tensor, Tensor]:
    length, config = x.shape[1], stack.config
    cosine, sine = stack.rope(length, x.device, torch.float32)
    hidden_future = torch.ones(length, length, dtype=torch.bool).triu(1)
    lower = x
    for index, layer in enumerate(stack.layers):

        def attend(query: Tensor, key: Tensor, value: Tensor, index: int = index) -> Tensor:
            if index not in watched:
                return F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
            groups = config.heads // config.kv_heads
            key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
            scores = (query @ key.mT).float() / config.head_dim**0.5
            attention = scores.masked_fill(hidden_future, float("-inf")).softmax(-1)
            watched[index] = attention[:, :_GUIDED_HEADS]
            return attention.to(value.dtype) @ value

        x = layer(x, (cosine[:length, None], sine[:length, None]), attend)
        if index == min(watched):
            lower = x
    return stack.norm(x), lower


def _parts_loss(logits: Tensor, labels: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Mean over initial, final and tone of the cross-entropy of logits (N, sum of sizes) with labels (N, 3)."""
    parts = logits.split(sizes, dim=1)
    losses = [F.cross_entropy(part, labels[:, place], ignore_index=IGNORE) for place, part in enumerate(parts)]
    return torch.stack(losses).mean()


def _off_span(attention: Tensor, spans: Tensor) -> Tensor:
    """Minus the log of the attention (B, H, T, S) that falls inside the spans (B, T, 2), mean over those there are."""
    aligned = spans[..., 1] > 0
    positions = torch.arange(attention.shape[-1])
    inside = (positions >= spans[..., :1]) & (positions < spans[..., 1:])
    mass = (attention * inside[:, None]).sum(-1)
    return -(mass + 1e-3).log().transpose(1, 2)[aligned].mean()


def _later(x: Tensor) -> Tensor:
    """(B, T, ...) one position later, zeros first."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)
