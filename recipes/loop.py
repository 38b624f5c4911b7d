"""One update of a network under training, shared by all recipes: rate, gradient, optimizers, running average, state.

What is learned from which data, and for how long, stands in each recipe.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

LEAST_SHARE = 0.02
WARM_RATE = 0.5
"""Of the peak rates, where training begins with weights that another training has reached."""
WARM_LESSON = 0.4
"""Where in a recipe's course, from short and clean to long and noisy, such a training begins."""


def cosine_share(progress: float) -> float:
    """Share of the peak rate at `progress` 0 to 1: half a cosine from 1 down to LEAST_SHARE."""
    return LEAST_SHARE + (1 - LEAST_SHARE) * 0.5 * (1 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))


def warm_lesson(progress: float) -> float:
    """How far the course of a warm training is at `progress` 0 to 1."""
    return WARM_LESSON + (1 - WARM_LESSON) * progress


class Muon(torch.optim.Muon):
    """Muon (Jordan et al. 2024) on matrices and on kernels of convolutions: first axis by all others."""

    def __init__(self, kernels: Iterable[Tensor], lr: float, weight_decay: float = 0.0) -> None:
        self._kernels = list(kernels)
        # Views of the same memory: what is stepped here is the kernel.
        flat = [nn.Parameter(kernel.data.flatten(1)) for kernel in self._kernels]
        super().__init__(flat, lr=lr, weight_decay=weight_decay)

    def step(self, closure: Any = None) -> Any:
        """One update of every kernel that has a gradient."""
        for flat, kernel in zip(self.param_groups[0]["params"], self._kernels, strict=True):
            flat.grad = None if kernel.grad is None else kernel.grad.flatten(1)
        return super().step(closure)


Net = TypeVar("Net", bound=nn.Module)


class Training(Generic[Net]):
    """A network, the running average of its weights, its optimizers, and the step it stands at.

    Each optimizer's learning rate is its peak: it rises to that over `warmup` steps and then follows `share` of the
    progress. `keep` is the share of the average that a late step leaves in place.
    """

    def __init__(
        self,
        network: Net,
        optimizers: Mapping[str, torch.optim.Optimizer],
        warmup: int,
        keep: float,
        clip: float = 1.0,
        share: Callable[[float], float] = cosine_share,
        trained: Sequence[Tensor] | None = None,
    ) -> None:
        self.network, self.optimizers = network, dict(optimizers)
        self._averaged = AveragedModel(network, avg_fn=lambda old, new, count: old.lerp(new, 1 - _kept(count, keep)))
        self._peaks = {name: optimizer.param_groups[0]["lr"] for name, optimizer in self.optimizers.items()}
        self._warmup, self._clip, self._share = warmup, clip, share
        self.trained = [each for each in network.parameters() if each.requires_grad] if trained is None else trained
        self.step = 0
        self.warm = False

    def begin_with(self, weights: Mapping[str, Tensor]) -> None:
        """Begin with these weights at half the rates; what they do not name keeps its own beginning.

        Raises ValueError where nothing fits the network, and RuntimeError where a size does not.
        """
        known = self.network.state_dict()
        fitting = {name: value for name, value in weights.items() if name in known}
        if not fitting:
            raise ValueError(f"none of {len(weights)} weights belongs to {type(self.network).__name__}")
        self.network.load_state_dict(fitting, strict=False)
        self._averaged.module.load_state_dict(self.network.state_dict())
        self._be_warm()

    def _be_warm(self) -> None:
        if not self.warm:
            self._peaks = {name: rate * WARM_RATE for name, rate in self._peaks.items()}
        self.warm = True

    @property
    def average(self) -> Net:
        """The network with averaged weights: what is exported, smoother than any single step."""
        return cast("Net", self._averaged.module.eval())

    def descend(
        self, loss: Tensor, progress: float, gather: Callable[[Sequence[Tensor]], object] | None = None
    ) -> None:
        """One step down `loss`; `gather` may combine gradients over processes first."""
        share = min((self.step + 1) / self._warmup, self._share(progress))
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = self._peaks[name] * share
        for parameter in self.trained:
            parameter.grad = None
        loss.backward()
        if gather is not None:
            gather(self.trained)
        nn.utils.clip_grad_norm_(self.trained, self._clip, error_if_nonfinite=True)
        for optimizer in self.optimizers.values():
            optimizer.step()
        self._averaged.update_parameters(self.network)
        self.step += 1

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training needs, and the averaged weights under `average` for the export."""
        return {
            "network": self.network.state_dict(),
            "average": self._averaged.module.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "step": self.step,
            "warm": self.warm,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.network.load_state_dict(state["network"])
        self._averaged.module.load_state_dict(state["average"])
        self._averaged.n_averaged.fill_(state["step"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.step = state["step"]
        if state.get("warm"):
            self._be_warm()


class RecipeTrainer(Generic[Net]):
    """What a recipe's trainer has whatever it learns: its `training`, and the seconds that were spent on it so far."""

    training: Training[Net]
    elapsed: float

    @property
    def step(self) -> int:
        """Updates so far."""
        return self.training.step

    @property
    def average(self) -> Net:
        """The network with averaged weights."""
        return self.training.average

    def lesson(self, progress: float) -> float:
        """How far the course of the data is at `progress`: a training that began warm leaves its beginning out."""
        return warm_lesson(progress) if self.training.warm else progress

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training, and the export, need."""
        return self.training.state() | {"elapsed": self.elapsed}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.training.load(state)
        self.elapsed = state["elapsed"]


def _kept(count: Tensor | int, keep: float) -> float:
    """Early steps move the average far, so that it soon forgets how the weights began."""
    return min(keep, (1 + int(count)) / (10 + int(count)))
