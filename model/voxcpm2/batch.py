"""Rows that advance together, patch by patch: requests enter, are spoken side by side, and leave when they end.

What a row gets does not depend on the others: each has its own noise, schedule, limits and length of cache, and few
rows or short prompts are filled up so that their sums are taken in the same order as among many.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor

from model.voxcpm2.flow_matching import Schedule
from model.voxcpm2.job import Job
from model.voxcpm2.kv_cache import BLOCK
from model.voxcpm2.network import Caches, Network, States

# Positions set aside at first for a row's patches; the cache grows when an utterance is longer.
_FIRST_ROOM = 256
# Matrix products of fewer rows than this take another path on CPUs and round otherwise.
LEAST_ROWS = 4


class Batch:
    """At most `rows` jobs of one network. `alone`: a single row in the shapes of the published program."""

    def __init__(self, network: Network, rows: int, alone: bool = False) -> None:
        self._network, self._rows = network, rows
        self._least = 1 if alone else LEAST_ROWS
        self._active: list[Job] = []
        self._schedules: dict[int, Schedule] = {}
        self._caches: Caches | None = None
        self._states: States | None = None
        self._previous: Tensor | None = None

    @property
    def speaking(self) -> int:
        """How many jobs go on."""
        return sum(job.ended is None for job in self._active)

    @property
    def free(self) -> int:
        """How many jobs may enter at the next step."""
        return self._rows - self.speaking

    @torch.inference_mode()
    def step(self, fresh: Sequence[Job] = ()) -> list[Job]:
        """Let ended jobs leave and `fresh` ones enter, at most `free`; then one more patch for each, who are returned.

        A job whose `ended` was set from outside gets no further patch.
        """
        self._go_on()
        if fresh:
            self._enter(list(fresh))
        if not self._active:
            return []
        assert self._states is not None
        assert self._previous is not None
        network, active = self._network, self._active
        self._use(active, self._least)
        filled = self._states.filled(self._least)
        stops = network.stop_logits(filled)[: len(active)].argmax(-1)
        noise = torch.cat([job.noise(self._previous.shape[1:], network.dtype) for job in active])
        condition = network.condition(filled)[: len(active)]
        self._use(active)
        patches = network.feat_decoder.sample(
            noise.to(network.device, non_blocking=True),
            condition,
            self._previous,
            [self._schedule(job.request.steps) for job in active],
            torch.tensor([job.request.guidance for job in active]).to(network.device, non_blocking=True),
        )
        for job, patch, stop in zip(active, patches.transpose(1, 2), stops.tolist(), strict=True):
            job.take(patch, bool(stop))
        self._states, self._previous = None, patches
        return list(active)

    def _go_on(self) -> None:
        """Take ended jobs out and hear the last patch of those that stay."""
        if not self._active:
            return
        assert self._caches is not None
        assert self._previous is not None
        kept = _leave(self._active, self._caches)
        if not self._active:
            self._states, self._previous = None, None
            return
        patches = self._previous
        if len(kept) < len(patches):
            patches = patches[torch.tensor(kept).to(patches.device)]
        self._use(self._active, self._least)
        self._states = self._network.step(patches.transpose(1, 2).contiguous(), self._caches)
        self._previous = patches

    def _enter(self, fresh: list[Job]) -> None:
        if self._caches is None:
            room = max(len(job.prompt) + min(job.limit, _FIRST_ROOM) for job in fresh)
            self._caches = self._network.caches(self._rows, room, self._least)
        self._use(fresh)
        entered, heard = _prefill(self._network, fresh, self._caches)
        self._states = _join(self._states, entered)
        self._previous = heard if self._previous is None else torch.cat([self._previous, heard])
        self._active += fresh

    def _use(self, jobs: Sequence[Job], filled: int = 0) -> None:
        if self._network.row_adapters is not None:
            self._network.row_adapters.use([job.adapter for job in jobs], filled)

    def _schedule(self, steps: int) -> Schedule:
        if steps not in self._schedules:
            self._schedules[steps] = self._network.feat_decoder.schedule(steps)
        return self._schedules[steps]


def _prefill(network: Network, jobs: list[Job], caches: Caches) -> tuple[States, Tensor]:
    """Run prompts padded on the right; states (n, H) at the last position of each, last patches (n, D, P)."""
    now = perf_counter()
    for job in jobs:
        job.started = job.started or now
    pad = torch.nn.utils.rnn.pad_sequence
    text = pad([job.prompt.text for job in jobs], batch_first=True).to(network.device)
    patches = pad([job.prompt.patches for job in jobs], batch_first=True).to(network.device, network.dtype)
    on_audio = pad([job.prompt.on_audio for job in jobs], batch_first=True).to(network.device)
    on_text = pad([~job.prompt.on_audio for job in jobs], batch_first=True).to(network.device)
    if caches.least > 1:
        short = -text.shape[1] % BLOCK
        text, on_audio, on_text = (F.pad(each, (0, short)) for each in (text, on_audio, on_text))
        patches = F.pad(patches, (0, 0, 0, 0, 0, short))
    states = network(text, on_text, patches, on_audio, caches)
    rows = torch.arange(len(jobs), device=network.device)
    last = torch.tensor([len(job.prompt) - 1 for job in jobs]).to(network.device)
    return States(states.text[rows, last], states.residual[rows, last]), patches[rows, last].transpose(1, 2)


def _leave(active: list[Job], caches: Caches) -> list[int]:
    """Take ended jobs out; returns where the row of each job that stays was."""
    kept = list(range(len(active)))
    for row in reversed(range(len(active))):
        if active[row].ended is None:
            continue
        caches.remove(row)
        active[row], kept[row] = active[-1], kept[-1]
        active.pop()
        kept.pop()
    return kept


def _join(states: States | None, entered: States) -> States:
    if states is None:
        return entered
    return States(torch.cat([states.text, entered.text]), torch.cat([states.residual, entered.residual]))
