"""The Whisper network of a few million parameters, lean enough to train on two CPU cores.

Parameter names follow transformers' WhisperModel, so that the export is a plain copy. Training extras: a frame
classifier on the encoder and the attention weights of the alignment heads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PROMPT = 4


@dataclass(frozen=True)
class WhisperShape:
    """Sizes of the network. `align_heads` is how many heads of a decoder layer are taught to follow the speech.

    Dropout is in the decoder alone: the encoder sees a new recording condition every time anyway.
    """

    vocabulary: int
    frame_classes: int
    width: int = 160
    encoder_layers: int = 3
    decoder_layers: int = 2
    encoder_heads: int = 5
    decoder_heads: int = 4
    align_heads: int = 2
    source_positions: int = 1500
    target_positions: int = 448
    mels: int = 80
    dropout: float = 0.1


def sinusoids(length: int, width: int) -> Tensor:
    """Whisper's encoder positions, (length, width): sines in the first half, cosines in the second."""
    step = math.log(10_000) / (width // 2 - 1)
    scaled = torch.arange(length)[:, None] * torch.exp(-step * torch.arange(width // 2))[None, :]
    return torch.cat([scaled.sin(), scaled.cos()], dim=1)


class Attention(nn.Module):
    """Multi-head attention written out: on CPU in bfloat16 this is faster than the fused kernel at these sizes."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, memory: Tensor, causal: bool = False) -> tuple[Tensor, Tensor]:
        """(B, T, D) attending to (B, S, D): output (B, T, D) and weights (B, H, T, S)."""
        batch, length, width = x.shape
        size = width // self.heads
        query = (self.q_proj(x) * size**-0.5).view(batch, length, self.heads, size).transpose(1, 2)
        key = self.k_proj(memory).view(batch, -1, self.heads, size).permute(0, 2, 3, 1)
        value = self.v_proj(memory).view(batch, -1, self.heads, size).transpose(1, 2)
        with torch.autocast("cpu", enabled=False):  # else softmax would be cast up to float32 and back
            scores = torch.matmul(query, key)
            if causal:
                scores = scores + torch.full_like(scores[0, 0], float("-inf")).triu(1)
            weights = scores.softmax(-1)
            mixed = torch.matmul(weights, value)
        return self.out_proj(mixed.transpose(1, 2).reshape(batch, length, width)), weights


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and feed-forward."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.self_attn_layer_norm(x)
        x = x + self.self_attn(normed, normed)[0]
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


class DecoderLayer(nn.Module):
    """Pre-norm causal self-attention, cross-attention to the encoder, feed-forward."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.encoder_attn = Attention(width, heads)
        self.encoder_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)
        self.final_layer_norm = nn.LayerNorm(width)
        self.dropout = dropout

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        normed = self.self_attn_layer_norm(x)
        x = x + F.dropout(self.self_attn(normed, normed, causal=True)[0], self.dropout, self.training)
        mixed, weights = self.encoder_attn(self.encoder_attn_layer_norm(x), memory)
        x = x + F.dropout(mixed, self.dropout, self.training)
        hidden = self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))
        return x + F.dropout(hidden, self.dropout, self.training), weights


class Encoder(nn.Module):
    """Two convolutions (100 to 50 frames a second), fixed positions, transformer layers."""

    def __init__(self, shape: WhisperShape) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(shape.mels, shape.width, 3, padding=1)
        self.conv2 = nn.Conv1d(shape.width, shape.width, 3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(shape.source_positions, shape.width)
        self.embed_positions.weight.requires_grad_(False).copy_(sinusoids(shape.source_positions, shape.width))
        self.layers = nn.ModuleList(EncoderLayer(shape.width, shape.encoder_heads) for _ in range(shape.encoder_layers))
        self.layer_norm = nn.LayerNorm(shape.width)

    def forward(self, mel: Tensor, shift: int = 0) -> Tensor:
        """(B, 80, T) to (B, T // 2, D); T even, at most 3000. `shift` frames of 20 ms are taken to have gone before."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.embed_positions.weight[shift : shift + x.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.layer_norm(x)


class Decoder(nn.Module):
    """Learned positions, transformer layers, output tied to the token embedding."""

    def __init__(self, shape: WhisperShape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.embed_positions = nn.Embedding(shape.target_positions, shape.width)
        self.layers = nn.ModuleList(
            DecoderLayer(shape.width, shape.decoder_heads, shape.dropout) for _ in range(shape.decoder_layers)
        )
        self.layer_norm = nn.LayerNorm(shape.width)

    def forward(self, tokens: Tensor, memory: Tensor, shift: int = 0) -> tuple[Tensor, list[Tensor]]:
        """(B, L) ids to logits (B, L, V) and every layer's cross-attention (B, H, L, S).

        After the prompt, `shift` tokens are taken to have gone before.
        """
        positions = torch.arange(tokens.shape[1])
        positions[PROMPT:] += shift
        x = self.embed_tokens(tokens) + self.embed_positions(positions)
        attention: list[Tensor] = []
        for layer in self.layers:
            x, weights = layer(x, memory)
            attention.append(weights)
        return F.linear(self.layer_norm(x), self.embed_tokens.weight), attention


class Whisper(nn.Module):
    """Encoder, decoder and the frame classifier that only training uses."""

    def __init__(self, shape: WhisperShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)
        self.frame_classifier = nn.Linear(shape.width, shape.frame_classes)
        for name, parameter in self.named_parameters():
            if "embed_tokens" in name or "decoder.embed_positions" in name:
                nn.init.normal_(parameter, std=shape.width**-0.5 if "tokens" in name else 0.02)

    def forward(
        self, mel: Tensor, tokens: Tensor, shift: int = 0, token_shift: int = 0
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Token logits (B, L, V), of frames (B, T // 4, C), each layer's attention (B, align_heads, L, T // 2)."""
        memory = self.encoder(mel, shift)
        logits, attention = self.decoder(tokens, memory, token_shift)
        return (
            logits,
            self.frame_classifier(memory[:, ::2]),
            [weights[:, : self.shape.align_heads] for weights in attention],
        )

    @torch.inference_mode()
    def greedy(self, memory: Tensor, prompt: list[int], end: int, limit: int) -> list[list[int]]:
        """The likeliest continuation of `prompt` for each row of (B, S, D), without the prompt and the end token."""
        tokens = torch.tensor([prompt] * len(memory))
        done = torch.zeros(len(memory), dtype=torch.bool)
        for _ in range(limit):
            logits, _ = self.decoder(tokens, memory)
            following = torch.where(done, end, logits[:, -1].argmax(-1))
            tokens = torch.cat([tokens, following[:, None]], dim=1)
            done |= following == end
            if bool(done.all()):
                break
        rows = tokens[:, len(prompt) :].tolist()
        return [row[: row.index(end)] if end in row else row for row in rows]
