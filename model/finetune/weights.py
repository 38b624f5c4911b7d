"""The tensors that a run changes, by their names on disk: gathered from shards, averaged, and AdamW's state of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")

Weights = dict[str, Tensor]


def gathered(tensors: Mapping[str, Tensor]) -> Weights:
    """Whole copies on the CPU; every process must take part when they are sharded."""
    return {name: _whole(each) for name, each in tensors.items()}


def restore(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Set each tensor to the value of its name, sharded like it."""
    with torch.no_grad():
        for name, each in tensors.items():
            each.copy_(_like(values[name], each))


class Average:
    """Exponential moving average of weights, started at the weights themselves."""

    def __init__(self, weights: Mapping[str, Tensor], decay: float) -> None:
        self.decay = decay
        self.values = {name: each.detach().clone() for name, each in weights.items()}

    @torch.no_grad()
    def update(self, weights: Mapping[str, Tensor]) -> None:
        for name, each in weights.items():
            self.values[name].lerp_(each.detach(), 1 - self.decay)

    @contextmanager
    def in_place_of(self, weights: Mapping[str, Tensor]) -> Iterator[None]:
        """The network has the averaged weights inside the block."""
        self._swap(weights)
        try:
            yield
        finally:
            self._swap(weights)

    @torch.no_grad()
    def _swap(self, weights: Mapping[str, Tensor]) -> None:
        for name, each in weights.items():
            held = each.detach().clone()
            each.copy_(self.values[name])
            self.values[name].copy_(held)


def moments(optimizer: torch.optim.Optimizer, weights: Mapping[str, Tensor]) -> Weights:
    """AdamW's state as `<name>.<moment>`, whole and on the CPU."""
    return {
        f"{name}.{moment}": _whole(optimizer.state[each][moment])
        for name, each in weights.items()
        for moment in _MOMENTS
    }


def restore_moments(
    optimizer: torch.optim.Optimizer, weights: Mapping[str, Tensor], values: Mapping[str, Tensor]
) -> None:
    """The opposite of `moments`."""
    for name, each in weights.items():
        step, *others = (values[f"{name}.{moment}"] for moment in _MOMENTS)
        # The fused kernel counts on the device, the plain one on the CPU.
        fused = optimizer.defaults.get("fused")
        held = [step.to(each.device if fused else "cpu"), *(_like(other, each).clone() for other in others)]
        optimizer.state[each] = dict(zip(_MOMENTS, held, strict=True))


def _whole(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).cpu().contiguous().clone()


def _like(value: Tensor, like: Tensor) -> Tensor:
    value = value.to(like.device, like.dtype)
    return distribute_tensor(value, like.device_mesh, like.placements) if isinstance(like, DTensor) else value
