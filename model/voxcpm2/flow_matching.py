"""Noise to a patch: Euler steps on a sway-sampled grid, with the optimally scaled guidance of CFG-Zero*.

Flow matching: Lipman et al. 2023; sway grid: F5-TTS (Chen et al. 2024); CFG-Zero*: Fan et al. 2025. Time runs 1 to 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.voxcpm2.config import VoxCPM2Config
from model.voxcpm2.local_dit import LocalDiT
from model.voxcpm2.row_adapters import RowAdapters

SWAY = 1.0
ZERO_SHARE = 0.04
_TRAINING_TIME_MEAN = -0.4


@dataclass(frozen=True)
class Schedule:
    """Solver steps of one request: velocities are asked for at `times`, the first `idle` steps only pass time.

    times, deltas: (steps,) in the dtype of the sampler; time_tokens: (steps, width), the same for every patch.
    """

    steps: int
    idle: int
    times: Tensor
    deltas: Tensor
    time_tokens: Tensor


def sway_grid(steps: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(steps + 1,) times from 1 to 0, denser near 1; every operation rounds to `dtype`, as published."""
    grid = torch.linspace(1, 0, steps + 1, device=device, dtype=dtype)
    return grid + SWAY * (torch.cos(torch.pi / 2 * grid) - 1 + grid)


class FlowMatching(nn.Module):
    """The sampler and the training loss around the local DiT, its `estimator`."""

    def __init__(self, config: VoxCPM2Config) -> None:
        super().__init__()
        self.estimator = LocalDiT(config)
        self.drop_rate = config.dit_config.cfm_config.training_cfg_rate
        self.row_adapters: RowAdapters | None = None

    def schedule(self, steps: int) -> Schedule:
        """Times, step lengths and time tokens for `steps` solver steps; the first is idle (zero-init), so two at least.

        With the estimator's `full_precision` the grid is float32 whatever the weights are.
        """
        if steps < 2:
            raise ValueError(f"steps must be at least 2, got {steps}: the first one does not call the network")
        weight = self.estimator.in_proj.weight
        dtype = torch.float32 if self.estimator.full_precision else weight.dtype
        grid = sway_grid(steps, dtype, weight.device)
        time, delta = grid[0], grid[0] - grid[1]
        times, deltas = [], []
        for step in range(1, steps + 1):
            times.append(time)
            deltas.append(delta)
            time = time - delta
            if step < steps:
                delta = time - grid[step + 1]
        at = torch.stack(times)
        # Two rows at a time, as guidance asks for them: another number rounds otherwise on some processors.
        pairs = at[:, None].expand(-1, 2)
        tokens = torch.stack([self.estimator.time_token(pair, torch.zeros_like(pair))[0] for pair in pairs])
        return Schedule(steps, max(1, int((steps + 1) * ZERO_SHARE)), at, torch.stack(deltas), tokens)

    def sample(
        self,
        noise: Tensor,
        mu: Tensor,
        cond: Tensor,
        schedules: Sequence[Schedule],
        guidance: Tensor,
        observe: Callable[[Tensor], None] | None = None,
    ) -> Tensor:
        """Patches (N, D, P) from noise (N, D, P), mu (N, 2 * width), previous patches `cond` (N, D, P).

        Each row has its own schedule and guidance (N,); a row with fewer steps is done earlier. `observe` is shown the
        estimator's output (2n, D, P) of each step, with and without mu.
        """
        dtype = noise.dtype
        guidance = guidance.float()[:, None, None]
        if observe is None and all(schedule is schedules[0] for schedule in schedules):
            common, begin = schedules[0], schedules[0].idle
            return self.solve(noise, mu, cond, common.time_tokens[begin:], common.deltas[begin:], guidance)
        x = noise.float() if self.estimator.full_precision else noise
        tokens, previous = self.estimator.condition_tokens(mu, cond)
        numbers = self.row_adapters.numbers if self.row_adapters else ()
        for step in range(1, max(schedule.steps for schedule in schedules) + 1):
            rows = [row for row, schedule in enumerate(schedules) if schedule.idle < step <= schedule.steps]
            if not rows:
                continue
            some = None if len(rows) == len(schedules) else torch.tensor(rows).to(x.device)
            now, with_mu, seen, strength = (_rows(each, some) for each in (x, tokens, previous, guidance))
            if self.row_adapters and numbers:
                self.row_adapters.use([numbers[row] for row in rows])
            times = torch.stack([schedules[row].time_tokens[step - 1] for row in rows])
            velocity = self.estimator.velocity(
                torch.cat([now, now]).to(dtype),
                (torch.cat([with_mu, torch.zeros_like(with_mu)]), torch.cat([seen, seen])),
                torch.cat([times, times]),
            )
            if observe is not None:
                observe(velocity)
            deltas = torch.stack([schedules[row].deltas[step - 1] for row in rows])[:, None, None]
            moved = now - deltas * guide(*velocity.chunk(2), strength)
            x = moved if some is None else x.index_copy(0, some, moved)
        return x.to(dtype)

    def solve(
        self, noise: Tensor, mu: Tensor, cond: Tensor, time_tokens: Tensor, deltas: Tensor, guidance: Tensor
    ) -> Tensor:
        """`sample` where all rows share their steps: time tokens (S, width), deltas (S,), guidance (N, 1, 1).

        Nothing in it waits for the host, so that it can be compiled as one graph, see compiled.py.
        """
        x = noise.float() if self.estimator.full_precision else noise
        tokens, previous = self.estimator.condition_tokens(mu, cond)
        condition = torch.cat([tokens, torch.zeros_like(tokens)]), torch.cat([previous, previous])
        for time_token, delta in zip(time_tokens.unbind(), deltas.unbind(), strict=True):
            both = torch.cat([x, x]).to(noise.dtype)
            velocity = self.estimator.velocity(both, condition, time_token.expand(len(both), -1))
            x = x - delta * guide(*velocity.chunk(2), guidance)
        return x.to(noise.dtype)

    def training_loss(self, target: Tensor, mu: Tensor, cond: Tensor, draws: TrainingDraws) -> Tensor:
        """Squared error (N, P), mean over channels, of the velocity towards `target` (N, D, P) from noise."""
        kept = (draws.drop > self.drop_rate).to(mu.dtype)
        time = torch.sigmoid(draws.time + _TRAINING_TIME_MEAN).to(target.dtype)
        at = time[:, None, None]
        noisy = (1 - at) * target + at * draws.noise
        velocity = self.estimator(noisy, mu * kept[:, None], time, cond, torch.zeros_like(time))
        return (velocity.float() - (draws.noise - target).float()).pow(2).mean(dim=1)


@dataclass(frozen=True)
class TrainingDraws:
    """What chance decides per row: drop (N,) uniform, time (N,) normal, noise (N, D, P) normal."""

    drop: Tensor
    time: Tensor
    noise: Tensor

    @classmethod
    def draw(cls, like: Tensor, generator: torch.Generator | None = None) -> TrainingDraws:
        """For rows like `like` (N, D, P), in the order of the published training; three draws there decide nothing."""
        rows, kind = like.shape[0], {"device": like.device, "dtype": like.dtype, "generator": generator}
        drop = torch.rand(rows, **kind)
        torch.rand(rows, **kind)
        torch.randn(like.shape, **kind)
        torch.randn(rows, **kind)
        time = torch.randn(rows, **kind)
        torch.rand(rows, **kind)
        return cls(drop, time, torch.randn(like.shape, **kind))

    def rows(self, chosen: Tensor) -> TrainingDraws:
        """Those of the rows that `chosen` (N,) marks."""
        return TrainingDraws(self.drop[chosen], self.time[chosen], self.noise[chosen])


def guide(conditional: Tensor, unconditional: Tensor, guidance: Tensor) -> Tensor:
    """CFG-Zero*: the unconditional velocity is first scaled to its projection of the conditional one.

    (N, D, P) each, guidance (N, 1, 1) float32.
    """
    flat, base = conditional.flatten(1), unconditional.flatten(1)
    scale = (flat * base).sum(1, keepdim=True) / (base.pow(2).sum(1, keepdim=True) + 1e-8)
    scaled = unconditional * scale[:, :, None]
    difference = conditional - scaled
    # Multiplied in float32 and rounded once, as a plain number times a bfloat16 tensor is.
    return scaled + (guidance * difference.float()).to(difference.dtype)


def _rows(tensor: Tensor, chosen: Tensor | None) -> Tensor:
    return tensor if chosen is None else tensor.index_select(0, chosen)
