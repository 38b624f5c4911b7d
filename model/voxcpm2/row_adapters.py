"""Many low-rank adapters resident on one network, each row of a batch with its own: A and B gathered by row (bmm).

How adapters are read from disk is in model/finetune/row_lora.py. The checkpoint's weights stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# Gathered copies that a layer keeps: a step's, a prompt's, and the solver's of the same rows twice.
_KEPT = 4


@dataclass(frozen=True)
class LowRank:
    """What one adapter adds to one layer: x A^T B^T * scale, with A (r, in) and B (out, r)."""

    a: Tensor
    b: Tensor
    scale: float


class RowAdapters:
    """Names of the resident adapters, numbered from 1, and those of the rows of the call that is under way."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.numbers: tuple[int, ...] = ()

    def number(self, name: str) -> int:
        """Of an adapter; 0 for "", which is none. Raises KeyError."""
        return self.names.index(name) + 1 if name in self.names else {"": 0}[name]

    def use(self, numbers: Sequence[int], filled: int = 0) -> None:
        """The next calls are of rows with these adapters, filled up to at least `filled` rows without any."""
        whole = (*numbers, *(0,) * (filled - len(numbers)))
        self.numbers = whole if any(whole) else ()


class RowUpdate:
    """What the adapters of the rows add to the output of one layer, or of several with the same input side by side."""

    def __init__(self, adapters: RowAdapters, a: Tensor, b: Tensor) -> None:
        """a (N + 1, in, R) and b (N + 1, R, out), zeros at number 0; scales are in b."""
        self._adapters, self.a, self.b = adapters, a, b
        self._held: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """y (m, ..., out) and what is added for x (m, ..., in); m is a multiple of the rows that are in use."""
        numbers = self._adapters.numbers
        if not numbers:
            return y
        if len(x) % len(numbers):
            raise RuntimeError(f"{len(x)} rows, but adapters of {len(numbers)} are in use")
        a, b = self._gathered(numbers * (len(x) // len(numbers)))
        wide = y.reshape(len(y), -1, y.shape[-1])
        return torch.baddbmm(wide, torch.bmm(x.reshape(len(x), -1, x.shape[-1]), a), b).reshape(y.shape)

    def _gathered(self, numbers: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        if numbers not in self._held:
            while len(self._held) >= _KEPT:
                self._held.pop(next(iter(self._held)))
            index = torch.tensor(numbers).to(self.a.device)
            self._held[numbers] = self.a.index_select(0, index), self.b.index_select(0, index)
        return self._held[numbers]

    @staticmethod
    def beside(updates: Sequence[RowUpdate | None], widths: Sequence[int]) -> RowUpdate | None:
        """One update for layers that read the same input and whose outputs (`widths`) stand side by side."""
        present = [each for each in updates if each is not None]
        if not present:
            return None
        first = present[0]
        b = first.b.new_zeros((len(first.b), sum(each.b.shape[1] for each in present), sum(widths)))
        row = column = 0
        for each, width in zip(updates, widths, strict=True):
            if each is not None:
                b[:, row : row + each.b.shape[1], column : column + width] = each.b
                row += each.b.shape[1]
            column += width
        return RowUpdate(first._adapters, torch.cat([each.a for each in present], dim=2), b)


class RowLinear(nn.Linear):
    """A linear layer whose rows have adapters; its state is that of the plain one."""

    def __init__(self, linear: nn.Linear, update: RowUpdate) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias, self.row_update = linear.weight, linear.bias, update
        self.train(linear.training)

    def forward(self, input: Tensor) -> Tensor:
        return self.row_update(input, super().forward(input))


def attach(network: nn.Module, adapters: Mapping[str, Mapping[str, LowRank]]) -> RowAdapters:
    """Make adapters, by name and by path of the layer, resident. Ranks may differ. Raises ValueError.

    Layers whose rows are not those of the batch (the time embedding, the encoder of a patch) cannot be adapted so.
    """
    if getattr(network, "row_adapters", None) is not None:
        raise ValueError("adapters are resident already; attach all of them at once")
    if "solve" in vars(network.get_submodule("feat_decoder")):
        raise ValueError("a compiled solver cannot have adapters by row; load the model without compiled=True")
    resident = RowAdapters(list(adapters))
    for path in sorted({path for each in adapters.values() for path in each}):
        linear = network.get_submodule(path)
        if type(linear) is not nn.Linear:
            raise ValueError(f"{path}: is {type(linear).__name__}; merge or detach its adapters first")
        if path.startswith("feat_encoder.") or ".time_mlp." in path or ".delta_time_mlp." in path:
            raise ValueError(f"{path}: has no row for each request; merge this adapter into the weights instead")
        network.set_submodule(
            path, RowLinear(linear, _update(resident, linear, [e.get(path) for e in adapters.values()]))
        )
    for module in (network, network.get_submodule("feat_decoder")):
        object.__setattr__(module, "row_adapters", resident)
    return resident


def row_update(linear: nn.Module) -> RowUpdate | None:
    """What a layer's rows add, if it has adapters by row."""
    return getattr(linear, "row_update", None)


def _update(resident: RowAdapters, linear: nn.Linear, each: Sequence[LowRank | None]) -> RowUpdate:
    rank = max(one.a.shape[0] for one in each if one is not None)
    like = {"device": linear.weight.device, "dtype": linear.weight.dtype}
    a = torch.zeros((len(each) + 1, linear.in_features, rank), **like)
    b = torch.zeros((len(each) + 1, rank, linear.out_features), **like)
    for number, one in enumerate(each, 1):
        if one is not None:
            a[number, :, : one.a.shape[0]] = one.a.T
            b[number, : one.a.shape[0]] = one.b.T * one.scale
    return RowUpdate(resident, a, b)
