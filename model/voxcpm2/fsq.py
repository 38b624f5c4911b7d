"""Finite scalar quantisation (Mentzer et al. 2023): the bottleneck on what the language model says of audio."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.voxcpm2.config import VoxCPM2Config


class FSQ(nn.Module):
    """Each of the latent dimensions is squashed to (-1, 1) and rounded to 2 * scale + 1 levels."""

    def __init__(self, config: VoxCPM2Config) -> None:
        super().__init__()
        width, latent = config.lm_config.hidden_size, config.scalar_quantization_latent_dim
        self.in_proj = nn.Linear(width, latent)
        self.out_proj = nn.Linear(latent, width)
        self.scale = config.scalar_quantization_scale

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., width) to (..., width); in training the rounding passes gradients straight through."""
        squashed = torch.tanh(self.in_proj(hidden))
        levels = torch.round(squashed * self.scale) / self.scale
        if self.training:
            levels = squashed + (levels - squashed).detach()
        return self.out_proj(levels)
