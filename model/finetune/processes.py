"""Lightning Fabric for one process or for those that torchrun started: device, precision, DDP or FSDP."""

from __future__ import annotations

import os

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.strategies.model_parallel import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard

from model.finetune.config import FineTuneConfig
from model.voxcpm2.transformer import Layer


def start(config: FineTuneConfig) -> Fabric:
    """One process, or as many as torchrun's environment tells. Raises ValueError when a step cannot feed them all."""
    world, local = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if world > config.accumulate:
        raise ValueError(
            f"accumulate: a step of {config.accumulate} packs cannot feed {world} processes; make it a multiple of them"
        )
    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = config.precision
    if precision == "auto":
        precision = "bf16-mixed" if device == "cuda" else "32-true"
    strategy = _strategy(config, device, world) if world > 1 else "auto"
    fabric = Fabric(accelerator=device, devices=local, num_nodes=world // local, strategy=strategy, precision=precision)
    fabric.launch()
    return fabric


def summed(fabric: Fabric, tensor: Tensor) -> Tensor:
    """Over all processes."""
    total = fabric.all_reduce(tensor, reduce_op="sum")
    assert isinstance(total, Tensor)
    return total


def _strategy(config: FineTuneConfig, device: str, world: int) -> DDPStrategy | ModelParallelStrategy:
    backend = "nccl" if device == "cuda" else "gloo"
    if config.strategy == "ddp":
        return DDPStrategy(process_group_backend=backend)
    return ModelParallelStrategy(
        _shard, data_parallel_size=world, tensor_parallel_size=1, process_group_backend=backend
    )


def _shard(objective: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Each transformer layer is gathered when it computes; what is left is gathered for the whole forward pass."""
    over = mesh["data_parallel"]
    for layer in [module for module in objective.modules() if isinstance(module, Layer)]:
        fully_shard(layer, mesh=over)
    # Without this the whole-pass weights would stay gathered after validation, stale once the shards change.
    fully_shard(objective, mesh=over, reshard_after_forward=True)
    return objective
