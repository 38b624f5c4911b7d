"""Where the tiny checkpoint and its recorded tensors lie, and how far two tensors are apart."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

FIXTURE = Path(__file__).parents[1] / "fixtures" / "voxcpm2-tiny-float32"
CHECKPOINT = FIXTURE / "checkpoint"
CPU = torch.device("cpu")


def relative(found: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest expected magnitude; shapes must agree."""
    assert found.shape == expected.shape, f"{tuple(found.shape)} instead of {tuple(expected.shape)}"
    found = found.detach()
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-12))
