"""The network of ctc-micro: convolutions alone, 25 frames a second, one label each; ends as sherpa-onnx expects them.

It has no attention and no positions: what it says of a frame depends on 1.3 s of sound on each side and on nothing
else, so the length of a clip does not matter, and it cannot go on writing when the speech has ended.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

SUBSAMPLING = 4
FLOOR, MEAN, SCALE = -11.0, -6.0, 4.0
"""Of the features: everything quieter is silence, and what is taken off and divided by."""


@dataclass(frozen=True)
class CtcShape:
    """Sizes of the network. `labels` are the blank and the characters; `parts` the classes that only training sees."""

    labels: int
    parts: int
    width: int = 192
    blocks: int = 6
    kernel: int = 11
    expansion: int = 3
    heard_after: int = 3
    mels: int = 80


class Block(nn.Module):
    """A depthwise convolution over time and two linear layers, added to what came in (as in ConvNeXt)."""

    def __init__(self, width: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, expansion * width)
        self.narrow = nn.Linear(expansion * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, width), mask (B, T, 1) of frames that there are."""
        mixed = self.mix((x * mask).transpose(1, 2)).transpose(1, 2)
        return x + self.narrow(torch.relu(self.wide(self.norm(mixed))))


class CtcNet(nn.Module):
    """Filter-bank features to log-probabilities of the labels, blank first."""

    def __init__(self, shape: CtcShape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.first = nn.Conv1d(shape.mels, width, 5, stride=2, padding=2)
        self.second = nn.Conv1d(width, width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(Block(width, shape.kernel, shape.expansion) for _ in range(shape.blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, shape.labels)
        self.parts_norm = nn.LayerNorm(width)
        self.parts = nn.Linear(width, shape.parts)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, mels), (B,) -> scores (B, T // 4 rounded up, labels), scores of the parts, frames of each (B,)."""
        x = (features.clamp(min=FLOOR) - MEAN) / SCALE
        x = x * mask_of(lengths, x.shape[1])
        half = (lengths + 1) // 2
        x = torch.relu(self.first(x.transpose(1, 2)).transpose(1, 2))
        x = x * mask_of(half, x.shape[1])
        frames = (half + 1) // 2
        x = self.second(x.transpose(1, 2)).transpose(1, 2)
        mask = mask_of(frames, x.shape[1])
        parts = x
        for number, block in enumerate(self.blocks, start=1):
            x = block(x, mask)
            if number == self.shape.heard_after:
                parts = x
        return self.head(self.norm(x)), self.parts(self.parts_norm(parts)), frames


def mask_of(lengths: Tensor, size: int) -> Tensor:
    """(B,) -> (B, size, 1), one in the first `lengths` frames, else zero."""
    return (torch.arange(size, device=lengths.device)[None] < lengths[:, None]).float()[..., None]
