"""A network's twin for speaking on a CPU: linear weights laid out once for oneDNN, queries, keys and values in one.

The twin shares everything else with the network, which stays as it is: parameters, names, gradients, adapters.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.voxcpm2.network import Network
from model.voxcpm2.rope import rotate
from model.voxcpm2.row_adapters import RowUpdate, row_update
from model.voxcpm2.transformer import MLP, Attention, Rotation

_SAMPLES = 64
# Rows that oneDNN's AVX2 kernels take at once.
_KERNEL_ROWS = 6


class PackedLinear(nn.Module):
    """A product with a weight that was rearranged for it, about twice as fast as with the weight as it lies.

    Raises RuntimeError at the call where the processor's kernels refuse the dtype.
    """

    def __init__(self, weight: Tensor, activation: str = "none", bias: Tensor | None = None) -> None:
        super().__init__()
        self._bias = bias
        # The number of rows is a hint; 32 lies between one utterance and a batch.
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), 32)
        self._activation = activation

    def forward(self, x: Tensor) -> Tensor:
        rows = x.shape[:-1].numel()
        if not (short := -rows % _KERNEL_ROWS) or not _remainders_differ():
            return self._times(x)
        filled = F.pad(x.reshape(rows, -1), (0, 0, 0, short))
        return self._times(filled)[:rows].unflatten(0, x.shape[:-1])

    def _times(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, self._activation, [], "")


class _PackedRowLinear(PackedLinear):
    """A packed product whose rows have adapters."""

    def __init__(self, weight: Tensor, update: RowUpdate) -> None:
        super().__init__(weight)
        self._update = update

    def forward(self, x: Tensor) -> Tensor:
        return self._update(x, super().forward(x))


def _packed(linear: nn.Module) -> PackedLinear:
    update = row_update(linear)
    weight = effective_weight(linear)
    return PackedLinear(weight) if update is None else _PackedRowLinear(weight, update)


@cache
def _remainders_differ() -> bool:
    """Whether rows that do not fill a kernel are added up in another order, as they are with AVX2."""
    x, weight = torch.linspace(-1, 1, 2 * _KERNEL_ROWS * 96).sin().view(-1, 96), torch.linspace(-9, 9, 96 * 96).cos()
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.view(96, 96), _KERNEL_ROWS)
    some, all_ = (torch.ops.mkldnn._linear_pointwise(each, packed, None, "none", [], "") for each in (x[:8], x))
    return not torch.equal(some, all_[:8])


class _PackedAttention(Attention):
    """Attention whose three projections are one product."""

    def __init__(self, original: Attention) -> None:
        nn.Module.__init__(self)
        self.head_dim = original.head_dim
        layers = (original.q_proj, original.k_proj, original.v_proj)
        weights = [effective_weight(each) for each in layers]
        self._heads = [len(weights[0]) // self.head_dim, len(weights[1]) // self.head_dim]
        self._inputs = PackedLinear(torch.cat(weights))
        self._update = RowUpdate.beside([row_update(each) for each in layers], [len(each) for each in weights])
        self.o_proj = _packed(original.o_proj)

    def project(self, x: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        heads, kv_heads = self._heads
        inputs = self._inputs(x)
        if self._update is not None:
            inputs = self._update(x, inputs)
        rotated, value = inputs.unflatten(-1, (-1, self.head_dim)).split([heads + kv_heads, kv_heads], dim=-2)
        if rotation is not None:
            rotated = rotate(rotated, *rotation)
        query, key = rotated.split([heads, kv_heads], dim=-2)
        return query, key, value


class _PackedMLP(MLP):
    """SwiGLU with the activation inside the first product."""

    def __init__(self, original: MLP) -> None:
        nn.Module.__init__(self)
        adapted = row_update(original.gate_proj) is not None
        fused = PackedLinear(effective_weight(original.gate_proj), "swish")
        self.gate_proj = nn.Sequential(_packed(original.gate_proj), nn.SiLU()) if adapted else fused
        self.up_proj = _packed(original.up_proj)
        self.down_proj = _packed(original.down_proj)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(self.gate_proj(x).mul_(self.up_proj(x)))


_TWINS: dict[type[nn.Module], Callable[[Any], nn.Module]] = {Attention: _PackedAttention, MLP: _PackedMLP}


class PackedNetwork:
    """Holds the twin of `network` and makes it anew when the weights are no longer those it was made from."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._state: object = None
        self._twin: Network | None = None

    def __call__(self) -> Network:
        """The network to speak with: its twin, or itself where there is nothing to gain."""
        if not packable(self._network):
            return self._network
        state = _state(self._network)
        if self._twin is None or state != self._state:
            self._twin = None
            with torch.no_grad():
                self._twin, self._state = pack(self._network), state
        return self._twin

    def __deepcopy__(self, memo: dict[int, object]) -> PackedNetwork:
        return PackedNetwork(copy.deepcopy(self._network, memo))

    def __getstate__(self) -> dict[str, object]:
        return {"_network": self._network, "_state": None, "_twin": None}


def packable(network: Network) -> bool:
    """On a CPU with oneDNN, in a dtype that its products take."""
    return (
        network.device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and (network.dtype is torch.float32 or (network.dtype is torch.bfloat16 and _has_bfloat16()))
    )


def pack(network: Network) -> Network:
    """The twin of `network` as its weights are now, enabled adapters included."""
    return _twin(network)


def effective_weight(linear: nn.Module) -> Tensor:
    """The matrix (out, in) that a linear layer multiplies by; a layer with adapters says so itself."""
    adapted = getattr(linear, "effective_weight", None)
    return linear.weight if adapted is None else adapted()  # pyright: ignore[reportReturnType]


def _twin(module: Any) -> Any:
    if (make := _TWINS.get(type(module))) is not None:
        return make(module).eval()
    twin = copy.copy(module)
    twin._modules = {name: child and _twin(child) for name, child in module._modules.items()}
    return twin


def _state(network: Network) -> object:
    """Differs when a weight does: who holds it, how often it was written to, and some of its values.

    The values tell of writes through `.data`, which are not counted.
    """
    precise = network.feat_decoder.estimator.full_precision
    return precise, id(network.row_adapters), [trace(each) for each in _sources(network)]


def _sources(network: Network) -> Iterable[Tensor]:
    for module in network.modules():
        if isinstance(module, nn.Linear):
            yield effective_weight(module)


def trace(weight: Tensor) -> tuple[object, ...]:
    """Differs when the weight does, see `_state`."""
    flat = weight.detach().flatten()
    return (
        weight.data_ptr() if isinstance(weight, nn.Parameter) else 0,
        weight._version if isinstance(weight, nn.Parameter) and not weight.is_inference() else 0,
        flat[:: max(1, flat.numel() // _SAMPLES)].float().sum().item(),
    )


def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions that multiply bfloat16, so that it is the quicker dtype."""
    cpu = torch.cpu
    asked = (getattr(cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return _has_bfloat16() and any(each is not None and each() for each in asked)


def _has_bfloat16() -> bool:
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()
