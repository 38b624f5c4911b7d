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

    def extend(self, layer: nn.Module, x: Tensor, width: int, dim: int = -1) -> Tensor:
        """Put the last `width` inputs of `layer` before `x`, time at `dim`, and remember those that come next."""
        if width == 0:
            return x
        before = self._held.get(layer)
        if before is None:
            shape = list(x.shape)
            shape[dim] = width
            before = x.new_zeros(shape)
        whole = torch.cat([before, x], dim=dim)
        self._held[layer] = whole.narrow(dim, whole.shape[dim] - width, width)
        return whole
