"""One attempt at one request: what it has said so far, its own noise, its limits, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from model.voxcpm2 import text as wording
from model.voxcpm2.prompt import BadRequest, Prompt
from model.voxcpm2.result import Request, StopReason

PATCHES_PER_TOKEN = 6.0
LEAST_SECONDS_PER_CHARACTER = 0.125
"""Nobody reads aloud at more than eight syllables a second; a Latin letter takes a third of a syllable's time."""
_SPARE_PATCHES = 10
_MOST_PATCHES = 4096


@dataclass(eq=False)
class Job:
    """One attempt at one request: its prompt, its own stream of noise, the patches (P, D) so far and why it ended."""

    index: int
    request: Request
    prompt: Prompt
    limit: int
    limited_by: StopReason
    least: float = 0.0
    """Patches that its text takes at the least."""
    attempt: int = 1
    adapter: int = 0
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

    @property
    def too_short(self) -> bool:
        """It stopped by itself before its text can have been said: it probably left words out."""
        return self.ended is StopReason.STOPPED and len(self.patches) < self.least

    @property
    def worth_another(self) -> bool:
        """Its text may fare better with the next seed, which changes nothing where the noise is given."""
        return (self.too_long or self.too_short) and self.attempt < self.request.attempts and self.request.noise is None

    def again(self) -> Job:
        """The same request with the next seed."""
        return replace(self, attempt=self.attempt + 1, patches=[], ended=None, _generator=torch.Generator())

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


def make_job(index: int, request: Request, prompt: Prompt, context: int, patch_seconds: float, adapter: int = 0) -> Job:
    """A first attempt, its length limited by the request, by its text, and by `context` positions in all."""
    limit = request.max_patches or min(int(prompt.target_tokens * PATCHES_PER_TOKEN + _SPARE_PATCHES), _MOST_PATCHES)
    room = context - len(prompt)
    if room < 1:
        raise BadRequest(
            f"text and audio take {len(prompt)} positions of {context}; shorten the text or the references"
        )
    limited_by = StopReason.MAX_PATCHES if limit <= room else StopReason.CONTEXT
    least = LEAST_SECONDS_PER_CHARACTER * wording.spoken_length(request.text) / patch_seconds
    return Job(index, request, prompt, min(limit, room), limited_by, least, adapter=adapter)
