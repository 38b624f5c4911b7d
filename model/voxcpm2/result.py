"""What is asked of the model and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from model.voxcpm2.prompt import Mode
from model.voxcpm2.references import Source

# A voice as audio, or as patches (N, P, D) encoded before.
Voice = Source | Tensor


class StopReason(StrEnum):
    """`stopped`: the model said so. `removed`: the caller took it back. The others are limits it ran into: the
    request's own, or the model's context."""

    STOPPED = "stopped"
    MAX_PATCHES = "max_patches"
    CONTEXT = "context"
    REMOVED = "removed"


@dataclass(frozen=True)
class Request:
    """One utterance. `max_patches` None: six per token of the text and ten more.

    control: a description in front of the text; dialect: a code of the registry, which sets it; reference: a voice to
    copy; prompt and prompt_text: audio to continue and what is said in it. `attempts`: a result that is too long for
    its text is spoken again with the next seed, so often in all. adapter: one that is resident by row. `denoise` cleans
    reference and prompt first. `noise` (N, D, P) replaces what the seed would draw.
    """

    text: str
    control: str = ""
    dialect: str = ""
    reference: Voice | None = None
    prompt: Voice | None = None
    prompt_text: str = ""
    seed: int = 0
    steps: int = 10
    guidance: float = 2.0
    temperature: float = 1.0
    min_patches: int = 2
    max_patches: int | None = None
    attempts: int = 3
    adapter: str = ""
    denoise: bool = False
    noise: Tensor | None = None

    def __post_init__(self) -> None:
        wrong = [
            f"{name} must be {what}, got {getattr(self, name)}"
            for name, good, what in (
                ("steps", self.steps >= 2, "2 or more (the first calls no network)"),
                ("temperature", self.temperature >= 0, "0 or more"),
                ("min_patches", self.min_patches >= 0, "0 or more"),
                ("max_patches", self.max_patches is None or self.max_patches >= 1, "1 or more"),
                ("attempts", self.attempts >= 1, "1 or more"),
            )
            if not good
        ]
        if wrong:
            raise ValueError("request: " + "; ".join(wrong))


@dataclass(frozen=True)
class Result:
    """An utterance: audio float32 (T,) at `sample_rate` Hz, and how it came about.

    seconds: of audio. seed: of the attempt that is given back, the `attempts`th. too_long, too_short: even the last
    attempt was too long for its text, or stopped before the text can have been said. real_time_factor: wall seconds
    from its start to its end, other requests of the batch in between included, per second of audio. latents (N, P, D)
    can be a reference or a prompt of another request.
    """

    audio: NDArray[np.float32]
    sample_rate: int
    text: str
    mode: Mode
    patches: int
    seconds: float
    steps: int
    guidance: float
    seed: int
    attempts: int
    stop_reason: StopReason
    too_long: bool
    too_short: bool
    real_time_factor: float
    device: str
    dtype: str
    latents: Tensor = field(repr=False)
