"""LoRA folders of the published layout as adapters by row: many dialects in one batch of one base."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from model.finetune.lora import CONFIG, WEIGHTS, LoraError, read_config, target_paths
from model.voxcpm2.checkpoint import difference, read_tensors
from model.voxcpm2.row_adapters import LowRank, RowAdapters, attach


def load_rows(network: nn.Module, folders: Mapping[str, str | Path]) -> RowAdapters:
    """Make the adapters of `folders`, by the names that requests give, resident. Raises LoraError, CheckpointError."""
    adapters = {name: _read(network, Path(folder)) for name, folder in folders.items()}
    try:
        return attach(network, adapters)
    except ValueError as error:
        raise LoraError(str(error)) from None


def _read(network: nn.Module, folder: Path) -> dict[str, LowRank]:
    config = read_config(folder)
    tensors = read_tensors(folder / WEIGHTS)
    paths = target_paths(network, config)
    wanted = {}
    for path in paths:
        linear = network.get_submodule(path)
        assert isinstance(linear, nn.Linear)
        wanted[f"{path}.lora_A"] = torch.empty((config.r, linear.in_features), device="meta")
        wanted[f"{path}.lora_B"] = torch.empty((linear.out_features, config.r), device="meta")
    if wrong := difference(wanted, tensors):
        raise LoraError(f"{folder / WEIGHTS}: does not fit this model and its {CONFIG}; " + "; ".join(wrong))
    scale = config.alpha / config.r
    return {path: LowRank(tensors[f"{path}.lora_A"], tensors[f"{path}.lora_B"], scale) for path in paths}
