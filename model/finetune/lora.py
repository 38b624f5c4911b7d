"""Low-rank adapters (Hu et al. 2021) in the published layout: attached, saved, loaded, stacked, switched and merged.

While attached, a network's state_dict stays that of its checkpoint: adapters are saved on their own.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

from model.finetune.config import LoraConfig
from model.voxcpm2.checkpoint import difference, read_tensors
from pipeline.lake.files import replace_bytes, replace_file

WEIGHTS, CONFIG = "lora_weights.safetensors", "lora_config.json"
_LANGUAGE_MODELS = ("base_lm.", "residual_lm.")
_DIT = "feat_decoder.estimator.decoder."


class LoraError(ValueError):
    """The adapter cannot be had or does not fit this network; the message lists what is wrong."""


class Adapter(nn.Module):
    """dropout((x A^T) B^T) * alpha / r, with A (r, in) and B (out, r)."""

    def __init__(self, linear: nn.Linear, config: LoraConfig) -> None:
        super().__init__()
        like = {"device": linear.weight.device, "dtype": linear.weight.dtype}
        self.lora_A = nn.Parameter(torch.empty(config.r, linear.in_features, **like))
        self.lora_B = nn.Parameter(torch.zeros(linear.out_features, config.r, **like))
        self.scale, self.dropout, self.enabled = config.alpha / config.r, config.dropout, True
        self.train(linear.training)

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(F.linear(F.linear(x, self.lora_A), self.lora_B), self.dropout, self.training) * self.scale

    def update(self) -> Tensor:
        """What merging adds to the weight, (out, in) float32."""
        return (self.lora_B.float() @ self.lora_A.float()) * self.scale

    # Left out of the network's state, so that a network with adapters is still saved as its checkpoint.
    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None: ...
    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None: ...


class LoraLinear(nn.Linear):
    """A linear layer with any number of adapters beside its weight; with none enabled it computes what it did."""

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self.adapters = nn.ModuleDict()
        self.train(linear.training)

    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        for adapter in self._enabled():
            output = output + adapter(input)
        return output

    def effective_weight(self) -> Tensor:
        """The weight (out, in) of a plain linear layer that computes the same: what packed copies are made of."""
        updates = [adapter.update() for adapter in self._enabled()]
        return (self.weight.float() + sum(updates)).to(self.weight.dtype) if updates else self.weight

    def _enabled(self) -> list[Adapter]:
        return [each for each in self.adapters.values() if isinstance(each, Adapter) and each.enabled]


class Lora:
    """One set of adapters on one network. Several on the same network add up; each is switched by itself."""

    def __init__(self, network: nn.Module, config: LoraConfig) -> None:
        """Attach adapters that change nothing yet: A uniform as of Kaiming (a = sqrt 5), B zero."""
        self.network, self.config = network, config
        self.adapters: dict[str, Adapter] = {}
        # Its id would come again: adapters stay on the network when nobody keeps this object.
        self._name = f"lora_{uuid.uuid4().hex}"
        for path in target_paths(network, config):
            linear = network.get_submodule(path)
            if not isinstance(linear, nn.Linear):
                raise LoraError(f"{path}: only linear layers can be adapted, this is a {type(linear).__name__}")
            if not isinstance(linear, LoraLinear):
                linear = LoraLinear(linear)
                network.set_submodule(path, linear)
            self.adapters[path] = linear.adapters[self._name] = Adapter(linear, config)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw every A; `generator` is on the CPU, so that all devices start alike."""
        for adapter in self.adapters.values():
            start = torch.empty(adapter.lora_A.shape)
            nn.init.kaiming_uniform_(start, a=math.sqrt(5), generator=generator)
            adapter.lora_A.data.copy_(start)

    @property
    def enabled(self) -> bool:
        return all(adapter.enabled for adapter in self.adapters.values())

    @enabled.setter
    def enabled(self, on: bool) -> None:
        for adapter in self.adapters.values():
            adapter.enabled = on

    def tensors(self) -> dict[str, Tensor]:
        """`<path>.lora_A` (r, in) and `<path>.lora_B` (out, r)."""
        return {
            f"{path}.{name}": each
            for path, adapter in self.adapters.items()
            for name, each in (("lora_A", adapter.lora_A), ("lora_B", adapter.lora_B))
        }

    def fill(self, tensors: Mapping[str, Tensor], source: str) -> None:
        """Take the values of `tensors`. Raises LoraError that lists missing, surplus and misshapen ones."""
        wanted = self.tensors()
        if wrong := difference(wanted, tensors):
            raise LoraError(f"{source}: does not fit this model and its {CONFIG}; " + "; ".join(wrong))
        for name, parameter in wanted.items():
            parameter.data.copy_(tensors[name])

    def merge(self) -> None:
        """Add the adapters to the weights for good and detach them."""
        for path, adapter in self.adapters.items():
            weight = self.network.get_parameter(f"{path}.weight")
            weight.data.copy_(weight.float() + adapter.update())
        self.detach()

    def detach(self) -> None:
        """Take the adapters off; a layer without any is a plain linear layer again."""
        for path in self.adapters:
            layer = self.network.get_submodule(path)
            assert isinstance(layer, LoraLinear)
            del layer.adapters[self._name]
            if not layer.adapters:
                self.network.set_submodule(path, _plain(layer))
        self.adapters = {}


def target_paths(network: nn.Module, config: LoraConfig) -> list[str]:
    """Linear layers that `config` asks for, in the network's order. Raises LoraError for a name that matches none."""
    groups = (
        (config.enable_lm, _LANGUAGE_MODELS, config.target_modules_lm, "target_modules_lm"),
        (config.enable_dit, (_DIT,), config.target_modules_dit, "target_modules_dit"),
        (config.enable_proj, ("",), config.target_proj_modules, "target_proj_modules"),
    )
    linears = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    found: list[str] = []
    for enabled, inside, names, field in groups:
        for name in names if enabled else ():
            matching = [path for path in linears if path.startswith(inside) and _last(path, inside) == name]
            if not matching:
                raise LoraError(f"{field}: no linear layer is named {name!r}")
            found += matching
    if not found:
        raise LoraError("enable_lm, enable_dit and enable_proj are all off: nothing to adapt")
    return sorted(set(found), key=linears.index)


def load(network: nn.Module, folder: str | Path) -> Lora:
    """Attach the adapters of `folder` for inference, in the network's dtype. Raises LoraError, CheckpointError."""
    folder = Path(folder)
    lora = Lora(network, read_config(folder))
    try:
        lora.fill(read_tensors(folder / WEIGHTS), str(folder / WEIGHTS))
    except ValueError:
        lora.detach()
        raise
    for adapter in lora.adapters.values():
        adapter.requires_grad_(False).eval()
    return lora


def read_config(folder: Path) -> LoraConfig:
    """The adapter's rank, alpha and targets. Raises LoraError that names every bad field."""
    path = folder / CONFIG
    try:
        held = json.loads(path.read_text(encoding="utf-8"))["lora_config"]
        config = LoraConfig.model_validate(held)
    except FileNotFoundError:
        raise LoraError(f"{path}: no such file; without it the adapter's scale is unknown") from None
    except ValidationError as error:
        bad = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise LoraError(f"{path}: {bad}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise LoraError(f'{path}: is not {{"base_model": ..., "lora_config": {{...}}}}: {error}') from None
    if missing := [name for name in ("r", "alpha") if name not in held]:
        raise LoraError(f"{path}: has no {' and no '.join(missing)}, without which the adapter's scale is unknown")
    return config


def save(folder: Path, tensors: Mapping[str, Tensor], config: LoraConfig, base_model: str) -> None:
    """Write both files of the published layout, each whole or not at all."""
    content = {name: each.detach().float().cpu().contiguous() for name, each in tensors.items()}
    replace_file(folder / WEIGHTS, lambda temporary: save_file(content, temporary, metadata={"format": "pt"}))
    about = {"base_model": base_model, "lora_config": config.model_dump()}
    replace_bytes(folder / CONFIG, (json.dumps(about, indent=2, ensure_ascii=False) + "\n").encode())


def _plain(layer: LoraLinear) -> nn.Linear:
    plain = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
    plain.weight, plain.bias = layer.weight, layer.bias
    return plain.train(layer.training)


def _last(path: str, inside: tuple[str, ...]) -> str:
    """The layer's own name; a projection is named by its whole path."""
    return path if inside == ("",) else path.rpartition(".")[2]
