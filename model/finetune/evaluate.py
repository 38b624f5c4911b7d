"""Validation loss by dialect, with the same draws every time, so that two steps differ by their weights alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import nn

from model.finetune.config import FineTuneConfig
from model.finetune.objective import Loader, targets
from model.finetune.packing import Pack, Use, cut
from model.finetune.processes import summed
from model.finetune.samples import Sample
from model.finetune.seeding import share


def validation_packs(samples: Sequence[Sample], config: FineTuneConfig) -> list[tuple[str, Pack]]:
    """Every sample once, in packs of one dialect; the share with a reference is that of training."""
    uses: dict[str, list[Use]] = {}
    for sample in samples:
        refers = sample.reference is not None and share(config.seed, "dev", sample.index) < config.reference_share
        uses.setdefault(sample.dialect, []).append(Use(sample, refers, (config.seed, "dev", sample.index)))
    return [
        (dialect, pack)
        for dialect, own in sorted(uses.items())
        for pack in cut(sorted(own, key=lambda use: use.positions), config)
    ]


@torch.no_grad()
def validate(fabric: Fabric, objective: nn.Module, packs: Sequence[tuple[str, Pack]], load: Loader) -> dict[str, Any]:
    """{"loss", "by_dialect": {code: {"loss", "diffusion", "stop", "patches"}}}, means over target patches."""
    dialects = sorted({dialect for dialect, _ in packs})
    sums = torch.zeros(len(dialects), 3, dtype=torch.float64)
    # A process without a pack of its own takes part in gathering shards all the same.
    rounds = -(-len(packs) // fabric.world_size)
    objective.eval()
    for turn in range(rounds):
        index = turn * fabric.world_size + fabric.global_rank
        dialect, pack = packs[min(index, len(packs) - 1)]
        losses = objective(*load(pack))
        if index < len(packs):
            count = targets(pack)
            row = torch.tensor([*losses.double().cpu().tolist(), 1.0], dtype=torch.float64) * count
            sums[dialects.index(dialect)] += row
    objective.train()
    sums = summed(fabric, sums.to(fabric.device)).cpu()
    by_dialect = {
        dialect: {"loss": (both[0] + both[1]) / both[2], "diffusion": both[0] / both[2], "stop": both[1] / both[2]}
        | {"patches": int(both[2])}
        for dialect, both in zip(dialects, sums.tolist(), strict=True)
    }
    total = sums.sum(0).tolist()
    return {"loss": (total[0] + total[1]) / total[2], "by_dialect": by_dialect}
