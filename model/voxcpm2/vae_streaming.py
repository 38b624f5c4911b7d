"""What causal convolutions remember between pieces of a stream: their last inputs, kept outside the layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StreamState:
    """One stream's memory: for each layer the inputs that its next output still needs.

    A fresh state stands for silence before the start, which is how a whole sequence is padded: one forward serves both.
    """

    def __init__(self) -> None:
        self._held: dict[nn.Module, Tensor] = {}

    def extend(self, layer: nn.Module, x: Tensor, width: int) -> Tensor:
        """Put the last `width` inputs of `layer` before `x` (B, C, T), and remember those that come next."""
        if width == 0:
            return x
        before = self._held.get(layer)
        if before is None:
            before = x.new_zeros((*x.shape[:2], width))
        whole = torch.cat([before, x], dim=-1)
        self._held[layer] = whole[..., -width:]
        return whole
