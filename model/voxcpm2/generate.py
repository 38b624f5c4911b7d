"""Continuous batching: many sequences advance patch by patch together; a finished row leaves, the next request enters.

Text and audio become sequences in prompt.py, patches become sound in model.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor

from model.voxcpm2.flow_matching import Schedule
from model.voxcpm2.kv_cache import BLOCK
from model.voxcpm2.network import Caches, Network, States
from model.voxcpm2.prompt import BadRequest, Prompt
from model.voxcpm2.result import Request, StopReason

PATCHES_PER_TOKEN = 6.0
_SPARE_PATCHES = 10
_MOST_PATCHES = 4096
# Positions set aside at first for a row's patches; the cache grows when an utterance is longer.
_FIRST_ROOM = 256
# Matrix products of fewer rows than this take another path on CPUs and round otherwise.
_LEAST_ROWS = 4


@dataclass(eq=False)
class Job:
    """One attempt at one request: its prompt, its own stream of noise, the patches (P, D) so far and why it ended."""

    index: int
    request: Request
    prompt: Prompt
    limit: int
    limited_by: StopReason
    attempt: int = 1
    patches: list[Tensor] = field(default_factory=list)
    ended: StopReason | None = None
    started: float = 0.0
    _generator: torch.Generator = field(default_factory=torch.Generator)

    def __post_init__(self) -> None:
        self._generator.manual_seed(self.seed)

    @property
    def seed(self) -> int:
        return self.request.seed + self.attempt - 1

    @property
    def too_long(self) -> bool:
        """More patches than its text can need: it probably babbles."""
        return len(self.patches) >= PATCHES_PER_TOKEN * self.prompt.target_tokens

    def again(self) -> Job:
        """The same request with the next seed."""
        return Job(
            self.index, self.request, self.prompt, self.limit, self.limited_by, self.attempt + 1, started=self.started
        )

    def noise(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Noise (1, D, P) of the next patch, drawn on the host: the same on every device and in every batch."""
        given = self.request.noise
        if given is None:
            drawn = torch.randn((1, *shape), dtype=dtype, generator=self._generator)
            return drawn * self.request.temperature
        if len(given) <= len(self.patches):
            raise BadRequest(
                f"noise: has {len(given)} patches, but the utterance goes on; give more or set max_patches"
            )
        return given[None, len(self.patches)].to("cpu", dtype)

    def take(self, patch: Tensor, stop: bool) -> None:
        """Keep the next patch; `stop` is what the state that conditioned it said, and is heeded once long enough."""
        index = len(self.patches)
        self.patches.append(patch)
        if stop and index > self.request.min_patches:
            self.ended = StopReason.STOPPED
        elif index + 1 >= self.limit:
            self.ended = self.limited_by


def make_job(index: int, request: Request, prompt: Prompt, context: int) -> Job:
    """A first attempt, its length limited by the request, by its text, and by `context` positions in all."""
    limit = request.max_patches or min(int(prompt.target_tokens * PATCHES_PER_TOKEN + _SPARE_PATCHES), _MOST_PATCHES)
    room = context - len(prompt)
    if room < 1:
        raise BadRequest(
            f"text and audio take {len(prompt)} positions of {context}; shorten the text or the references"
        )
    return Job(
        index, request, prompt, min(limit, room), StopReason.MAX_PATCHES if limit <= room else StopReason.CONTEXT
    )


@torch.inference_mode()
def advance(network: Network, waiting: deque[Job], batch_size: int) -> Iterator[list[Job]]:
    """Run jobs, at most `batch_size` at once; yield those that just got a patch. The caller may append to `waiting`.

    What a job gets does not depend on the others: each row has its own noise, schedule, limits and length of cache, and
    few rows or short prompts are filled up so that their sums are taken in the same order as among many. With
    `batch_size` 1 nothing is filled up, and shapes are those of the published program.
    """
    least = _LEAST_ROWS if batch_size > 1 else 1
    active: list[Job] = []
    schedules: dict[int, Schedule] = {}
    caches: Caches | None = None
    states, previous = None, None
    while waiting or active:
        if waiting and len(active) < batch_size:
            fresh = [waiting.popleft() for _ in range(min(batch_size - len(active), len(waiting)))]
            if caches is None:
                batch_size = len(fresh)
                room = max(len(job.prompt) + min(job.limit, _FIRST_ROOM) for job in fresh)
                caches = network.caches(batch_size, room, least)
            entered, heard = _prefill(network, fresh, caches)
            states = _join(states, entered)
            previous = heard if previous is None else torch.cat([previous, heard])
            active += fresh
        assert caches is not None
        assert states is not None
        assert previous is not None

        for job in active:
            if job.request.steps not in schedules:
                schedules[job.request.steps] = network.feat_decoder.schedule(job.request.steps)
        filled = states.filled(least)
        stops = network.stop_logits(filled)[: len(active)].argmax(-1)
        noise = torch.cat([job.noise(previous.shape[1:], network.dtype) for job in active])
        patches = network.feat_decoder.sample(
            noise.to(network.device, non_blocking=True),
            network.condition(filled)[: len(active)],
            previous,
            [schedules[job.request.steps] for job in active],
            torch.tensor([job.request.guidance for job in active]).to(network.device, non_blocking=True),
        )
        for job, patch, stop in zip(active, patches.transpose(1, 2), stops.tolist(), strict=True):
            job.take(patch, bool(stop))
        yield list(active)

        kept = _leave(active, caches)
        if not active:
            states, previous = None, None
            continue
        if len(kept) < len(patches):
            patches = patches[torch.tensor(kept).to(patches.device)]
        states, previous = network.step(patches.transpose(1, 2).contiguous(), caches), patches


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
