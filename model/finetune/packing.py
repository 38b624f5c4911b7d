"""Which clips each step reads: shuffled epochs, clips of like length together, cut into packs of bounded size.

Everything follows from the seed alone: a run that goes on plans what it would have planned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from model.finetune.config import FineTuneConfig
from model.finetune.samples import Sample
from model.finetune.seeding import generator, share

# So many packs are sorted by length together; their order and what is in the window stay random.
_WINDOW = 32


@dataclass(frozen=True)
class Use:
    """One reading of a sample; `draw` names the chance that goes with it."""

    sample: Sample
    with_reference: bool
    draw: tuple[object, ...]

    @property
    def positions(self) -> int:
        return self.sample.positions(self.with_reference)


Pack = list[Use]


def steps(samples: Sequence[Sample], config: FineTuneConfig) -> Iterator[list[Pack]]:
    """The packs of step 0, 1, 2 and so on without end; epochs run into each other."""
    step: list[Pack] = []
    epoch = 0
    while True:
        for pack in epoch_packs(samples, config, epoch):
            step.append(pack)
            if len(step) == config.accumulate:
                yield step
                step = []
        epoch += 1


def epoch_packs(samples: Sequence[Sample], config: FineTuneConfig, epoch: int) -> list[Pack]:
    """Every sample once. What has a reference gets it by `reference_share`."""
    chance = generator(config.seed, "order", epoch)
    order = torch.randperm(len(samples), generator=chance).tolist()
    uses = [_use(samples[index], config, epoch) for index in order]
    size = _WINDOW * config.batch_samples
    packs: list[Pack] = []
    for start in range(0, len(uses), size):
        window = sorted(uses[start : start + size], key=lambda use: use.positions)
        packs += cut(window, config)
    return [packs[index] for index in torch.randperm(len(packs), generator=chance).tolist()]


def cut(uses: Sequence[Use], config: FineTuneConfig) -> list[Pack]:
    """Neighbours in packs of at most `batch_samples` clips and `batch_tokens` positions, padding included."""
    packs: list[Pack] = []
    longest = 0
    for use in uses:
        longest = max(longest, use.positions)
        full = not packs or len(packs[-1]) == config.batch_samples
        if full or (len(packs[-1]) + 1) * longest > config.batch_tokens:
            packs.append([])
            longest = use.positions
        packs[-1].append(use)
    return packs


def _use(sample: Sample, config: FineTuneConfig, epoch: int) -> Use:
    refers = sample.reference is not None and share(config.seed, "refer", epoch, sample.index) < config.reference_share
    return Use(sample, refers, (config.seed, "train", epoch, sample.index))
