"""LocDiT: the velocity of a noisy patch, given two condition tokens, the time and the patch before it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.voxcpm2.config import VoxCPM2Config
from model.voxcpm2.transformer import TransformerStack

_TIME_SCALE = 1000.0
# Products of fewer rows than this are added up in another order on CPUs: see batch.py.
_LEAST_ROWS = 16


class TimeMLP(nn.Module):
    """Linear, SiLU, Linear on a time embedding."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(width, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, embedding: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(embedding)))


class LocalDiT(nn.Module):
    """Bidirectional over [mu_lm, mu_res, time, previous frames, noisy frames]."""

    def __init__(self, config: VoxCPM2Config) -> None:
        super().__init__()
        self.width = config.dit.hidden
        self.in_proj = nn.Linear(config.feat_dim, self.width)
        self.cond_proj = nn.Linear(config.feat_dim, self.width)
        self.out_proj = nn.Linear(self.width, config.feat_dim)
        self.time_mlp = TimeMLP(self.width)
        self.delta_time_mlp = TimeMLP(self.width)
        self.decoder = TransformerStack(config.dit)
        self.full_precision = False

    def forward(self, x: Tensor, mu: Tensor, time: Tensor, cond: Tensor, delta: Tensor) -> Tensor:
        """Velocity (N, D, P) at `x` (N, D, P) with mu (N, 2 * width), time and delta (N,), cond (N, D, P)."""
        return self.velocity(x, self.condition_tokens(mu, cond), self.time_token(time, delta))

    def velocity(self, x: Tensor, condition: tuple[Tensor, Tensor], time_token: Tensor) -> Tensor:
        """Velocity (N, D, P) where what does not change between solver steps was projected beforehand."""
        frames = x.shape[-1]
        mu, previous = condition
        noisy = self.in_proj(x.transpose(1, 2).contiguous())
        sequence = torch.cat([mu, time_token[:, None], previous, noisy], dim=1)
        hidden = self.decoder(sequence, last=max(frames, -(-_LEAST_ROWS // len(x))))
        return self.out_proj(hidden[:, -frames:]).transpose(1, 2)

    def condition_tokens(self, mu: Tensor, cond: Tensor) -> tuple[Tensor, Tensor]:
        """mu (N, 2 * width) and the previous patch (N, D, P) to tokens (N, 2, width) and (N, P, width)."""
        return mu.unflatten(1, (-1, self.width)), self.cond_proj(cond.transpose(1, 2).contiguous())

    def time_token(self, time: Tensor, delta: Tensor) -> Tensor:
        """(N,) times in [0, 1] and step lengths (always 0 in this model) to (N, width)."""
        times, deltas = self._sinusoids(time), self._sinusoids(delta)
        return self.time_mlp(times) + self.delta_time_mlp(deltas)

    def _sinusoids(self, time: Tensor) -> Tensor:
        """**Precision.** In the dtype of `time`, all of it: in bfloat16 the fast sinusoids are coarse, as published.

        `full_precision` evaluates them in float32 and rounds the result to the dtype of the weights.
        """
        weights = self.time_mlp.linear_1.weight.dtype
        if self.full_precision:
            time = time.float()
        half = self.width // 2
        steps = torch.arange(half, device=time.device).to(time.dtype)
        frequencies = torch.exp(steps * -(math.log(10000) / (half - 1)))
        angles = _TIME_SCALE * time[:, None] * frequencies
        embedding = torch.cat([angles.sin(), angles.cos()], dim=-1)
        return embedding.to(weights) if self.full_precision else embedding
