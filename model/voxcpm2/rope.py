"""Rotary positions with LongRoPE factors (Su et al. 2021; Ding et al. 2024): tables, and rotation of half-splits."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from model.voxcpm2.config import StackConfig


class RopeTables:
    """Cosines and sines per position, made when first asked for on a device and kept there.

    **Precision.** The authors' program keeps these tables in the dtype of the weights, so in bfloat16 it rotates by
    rounded cosines; that is the default. `full_precision` keeps them float32, as they were in training.
    """

    def __init__(self, config: StackConfig) -> None:
        self._config = config
        self._held: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}
        self.full_precision = False

    def __call__(self, length: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosine and signed sine (see `rotate`) of positions 0..L-1, L >= `length`, (L, head_dim) each."""
        dtype = torch.float32 if self.full_precision else dtype
        tables = self._held.get((device, dtype))
        if tables is None or tables[0].shape[0] < length:
            size = max(64, 1 << (length - 1).bit_length())
            # A table made under inference mode could not be saved for a backward pass later.
            with torch.inference_mode(False):
                tables = self._make(size, device, dtype)
            self._held[device, dtype] = tables
        return tables

    def _make(self, length: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        config = self._config
        steps = torch.arange(0, config.head_dim, 2, dtype=torch.float32, device=device)
        frequencies = 1.0 / config.rope_theta ** (steps / config.head_dim)
        positions = torch.arange(length, dtype=torch.float32, device=device)
        amplitude = 1.0
        if (scaling := config.rope_scaling) is None:
            angles = torch.outer(positions, frequencies)
        else:
            original = scaling.original_max_position_embeddings
            longer = config.max_positions > original
            divisors = torch.tensor(scaling.long_factor if longer else scaling.short_factor, device=device)
            angles = torch.outer(positions, 1.0 / divisors) * frequencies
            amplitude = math.sqrt(1 + math.log(config.max_positions / original) / math.log(original))
        cosine, sine = (angles.cos() * amplitude).to(dtype), (angles.sin() * amplitude).to(dtype)
        return torch.cat([cosine, cosine], dim=-1), torch.cat([-sine, sine], dim=-1)


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate pairs (i, i + d/2) of `x` (..., d) in float32; the tables broadcast, the sine's first half is negated."""
    wide = x.float()
    first, second = wide.chunk(2, dim=-1)
    return torch.addcmul(wide * cosine, torch.cat([second, first], dim=-1), sine.float()).to(x.dtype)
