"""The pre-norm transformer stack (MiniCPM4's shape) shared by both language models, the local encoder and decoder."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.voxcpm2.config import StackConfig
from model.voxcpm2.kv_cache import KVCache
from model.voxcpm2.rope import RopeTables, rotate

# (B, heads, T, d) queries with (B, kv_heads, T, d) keys and values to (B, heads, T, d).
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
Rotation = tuple[Tensor, Tensor]


class RMSNorm(nn.Module):
    """Root-mean-square norm; the quotient is taken in float32 and rounded before the weight multiplies it."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        variance = wide.pow(2).mean(-1, keepdim=True)
        return (wide * torch.rsqrt(variance + self.eps)).to(x.dtype) * self.weight


class Attention(nn.Module):
    """Grouped-query attention without biases; who may see whom is the caller's `attend`."""

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        inner = config.heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden, inner, bias=False)
        self.k_proj = nn.Linear(config.hidden, config.kv_heads * config.head_dim, bias=False)
        self.v_proj = nn.Linear(config.hidden, config.kv_heads * config.head_dim, bias=False)
        self.o_proj = nn.Linear(inner, config.hidden, bias=False)

    def forward(self, x: Tensor, rotation: Rotation | None, attend: Attend, last: int | None = None) -> Tensor:
        """(B, T, hidden) to the same, or to (B, last, hidden): only the last positions ask, all are seen."""
        query, key, value = (each.transpose(1, 2) for each in self.project(x, rotation))
        if last is not None:
            query = query[:, :, -last:]
        return self.o_proj(attend(query, key, value).transpose(1, 2).flatten(2))

    def project(self, x: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, T, heads, d), keys and values (B, T, kv_heads, d)."""
        query, key, value = (
            project(x).unflatten(-1, (-1, self.head_dim)) for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        if rotation is not None:
            query, key = rotate(query, *rotation), rotate(key, *rotation)
        return query, key, value


class MLP(nn.Module):
    """SwiGLU without biases (Shazeer 2020)."""

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden, config.ffn, bias=False)
        self.up_proj = nn.Linear(config.hidden, config.ffn, bias=False)
        self.down_proj = nn.Linear(config.ffn, config.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Attention and MLP, each on a normalised input and added back, scaled when the model uses muP."""

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden, config.eps)
        self.post_attention_layernorm = RMSNorm(config.hidden, config.eps)
        self.residual_scale = config.residual_scale

    def forward(self, x: Tensor, rotation: Rotation | None, attend: Attend, last: int | None = None) -> Tensor:
        """(B, T, hidden) to the same, or with `last` to (B, last, hidden), the last positions alone."""
        seen = self.self_attn(self.input_layernorm(x), rotation, attend, last)
        x = self._add(x if last is None else x[:, -last:], seen)
        return self._add(x, self.mlp(self.post_attention_layernorm(x)))

    def _add(self, x: Tensor, branch: Tensor) -> Tensor:
        return x + (branch if self.residual_scale == 1.0 else branch * self.residual_scale)


class TransformerStack(nn.Module):
    """Layers and a final norm: over whole sequences by calling it, or one position a row by `step`."""

    def __init__(self, config: StackConfig, vocab_size: int | None = None) -> None:
        super().__init__()
        self.config = config
        if vocab_size is not None:
            self.embed_tokens = nn.Embedding(vocab_size, config.hidden)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.hidden, config.eps)
        self.rope = RopeTables(config)

    def forward(
        self, x: Tensor, cache: KVCache | None = None, rows: slice | None = None, last: int | None = None
    ) -> Tensor:
        """(B, T, hidden) from position 0 on to (B, T, hidden); keys and values go to `rows` of `cache` if given.

        With `last` only so many positions at the end are returned, and the last layer computes no others. That is for
        bidirectional stacks.
        """
        length = x.shape[1]
        rotation = None
        if self.config.rope:
            cosine, sine = self.rope(length, x.device, self.norm.weight.dtype)
            rotation = cosine[:length, None], sine[:length, None]
        for index, layer in enumerate(self.layers):

            def attend(query: Tensor, key: Tensor, value: Tensor, index: int = index) -> Tensor:
                if cache is not None and rows is not None:
                    cache.store(index, rows, key, value)
                return F.scaled_dot_product_attention(
                    query, key, value, is_causal=self.config.causal, enable_gqa=self.config.heads > self.config.kv_heads
                )

            x = layer(x, rotation, attend, last if index == len(self.layers) - 1 else None)
        return self.norm(x)

    def step(self, x: Tensor, cache: KVCache) -> Tensor:
        """One further position of each of the n rows in use, (m, hidden) to (m, hidden); rows from n on are filling."""
        positions = cache.begin_step()
        count = len(positions)
        filling = len(x) - count
        positions = F.pad(positions, (0, filling))
        rotation = None
        if self.config.rope:
            cosine, sine = self.rope(max(cache.lengths), x.device, self.norm.weight.dtype)
            rotation = cosine[positions][:, None, None], sine[positions][:, None, None]
        hidden = x[:, None]
        for index, layer in enumerate(self.layers):

            def attend(query: Tensor, key: Tensor, value: Tensor, index: int = index) -> Tensor:
                keys, values, readable = cache.append(index, key[:count, :, 0], value[:count, :, 0])
                # The query heads that share a key head stand as its query positions: no key is copied.
                grouped = query[:count].reshape(count, self.config.kv_heads, -1, self.config.head_dim)
                seen = F.scaled_dot_product_attention(grouped, keys, values, attn_mask=readable)
                return F.pad(seen.reshape(query[:count].shape), (0, 0, 0, 0, 0, 0, 0, filling))

            hidden = layer(hidden, rotation, attend)
        return self.norm(hidden)[:, 0]
