"""The losses of a pack as one module, which is what is wrapped for many processes; draws that belong to each sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from model.finetune.latents import LatentCache
from model.finetune.packing import Pack, Use
from model.finetune.samples import collate
from model.finetune.seeding import generator
from model.voxcpm2 import VoxCPM2
from model.voxcpm2.flow_matching import TrainingDraws
from model.voxcpm2.losses import Batch, training_losses
from model.voxcpm2.network import Network
from model.voxcpm2.transformer import Layer

T = TypeVar("T", Batch, TrainingDraws)


class Objective(nn.Module):
    """Mean velocity error and stop cross-entropy over the target patches of a batch, (2,) float32."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch, draws: TrainingDraws) -> Tensor:
        losses = training_losses(self.network, batch, draws)
        return torch.stack([losses.diffusion, losses.stop])


@dataclass(frozen=True)
class Loader:
    """Packs to tensors on `device`."""

    model: VoxCPM2
    cache: LatentCache
    device: torch.device

    def __call__(self, pack: Pack) -> tuple[Batch, TrainingDraws]:
        config = self.model.config
        blank = torch.zeros(config.patch_size, config.feat_dim)
        batch = collate([(use.sample, use.with_reference) for use in pack], self.cache, self.model.tokenizer, blank)
        draws = draw(pack, batch)
        return _moved(batch, self.device), _moved(draws, self.device)


def targets(pack: Pack) -> int:
    """Patches that a pack has losses on."""
    return sum(use.sample.clip.patches for use in pack)


def draw(pack: Sequence[Use], batch: Batch) -> TrainingDraws:
    """Draws for all B * T positions; those of a sample do not depend on what it is packed with. Zero off the target."""
    rows, length, frames, channels = batch.patches.shape
    drop, time = torch.zeros(rows, length), torch.zeros(rows, length)
    noise = torch.zeros(rows, length, channels, frames)
    for row, use in enumerate(pack):
        own = batch.loss_mask[row]
        drawn = TrainingDraws.draw(torch.empty(int(own.sum()), channels, frames), generator(*use.draw))
        drop[row, own], time[row, own], noise[row, own] = drawn.drop, drawn.time, drawn.noise
    return TrainingDraws(drop.flatten(), time.flatten(), noise.flatten(0, 1))


def checkpoint_layers(network: Network) -> None:
    """Recompute each transformer layer in the backward pass instead of keeping what is inside it."""
    for layer in network.modules():
        if isinstance(layer, Layer):
            setattr(layer, "forward", partial(checkpoint, layer.forward, use_reentrant=False))  # noqa: B010


def _moved(tensors: T, device: torch.device) -> T:
    return type(tensors)(*(getattr(tensors, field.name).to(device, non_blocking=True) for field in fields(tensors)))
