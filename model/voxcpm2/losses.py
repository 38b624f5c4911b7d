"""The two training losses, teacher-forced: velocity of the target patches, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.voxcpm2.flow_matching import TrainingDraws
from model.voxcpm2.network import Network, States


@dataclass(frozen=True)
class Batch:
    """Sequences padded on the right, (B, T) each but patches (B, T, P, D).

    `text_mask` and `audio_mask` mark what a position holds, `loss_mask` the target patches, `labels` the last of them.
    """

    text: Tensor
    text_mask: Tensor
    patches: Tensor
    audio_mask: Tensor
    loss_mask: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Losses:
    """Means over target patches: squared error of the velocity, cross-entropy of the stop head (nats)."""

    diffusion: Tensor
    stop: Tensor

    @property
    def total(self) -> Tensor:
        return self.diffusion + self.stop


def training_losses(network: Network, batch: Batch, draws: TrainingDraws | None = None) -> Losses:
    """Both losses of a batch. `draws` are for all B * T positions; the DiT runs on target rows alone."""
    states = network(batch.text, batch.text_mask, batch.patches, batch.audio_mask)
    # A patch is made from the states before it.
    before = States(_shift(states.text), _shift(states.residual))
    previous = _shift(batch.patches)
    target = batch.loss_mask.bool()
    chosen = States(before.text[target], before.residual[target])
    count = target.sum().clamp(min=1)

    clean = batch.patches.transpose(-1, -2)
    if draws is None:
        draws = TrainingDraws.draw(clean.flatten(0, 1))
    errors = network.feat_decoder.training_loss(
        clean[target], network.condition(chosen), previous.transpose(-1, -2)[target], draws.rows(target.flatten())
    )
    logits = network.stop_logits(chosen).float()
    stop = F.cross_entropy(logits, batch.labels[target].long(), reduction="sum") / count
    return Losses(errors.mean(dim=1).sum() / count, stop)


def _shift(x: Tensor) -> Tensor:
    """(B, T, ...) one position later, zeros first."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)
