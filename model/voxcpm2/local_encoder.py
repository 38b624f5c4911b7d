"""LocEnc: one patch of latent frames to one vector, read off a learned token before the frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.voxcpm2.config import VoxCPM2Config
from model.voxcpm2.transformer import TransformerStack


class LocalEncoder(nn.Module):
    """Bidirectional over [token, frame 1..P]; patches do not see each other."""

    def __init__(self, config: VoxCPM2Config) -> None:
        super().__init__()
        width = config.encoder.hidden
        self.special_token = nn.Parameter(torch.zeros(1, 1, 1, width))
        self.in_proj = nn.Linear(config.feat_dim, width)
        self.encoder = TransformerStack(config.encoder)

    def forward(self, patches: Tensor) -> Tensor:
        """(N, P, D) latent patches to (N, width)."""
        token = self.special_token[0].expand(len(patches), -1, -1)
        return self.encoder(torch.cat([token, self.in_proj(patches)], dim=1))[:, 0]
