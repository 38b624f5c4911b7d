"""Losses of a run as TensorBoard reads them, while it trains: `tensorboard --logdir` on the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = "tensorboard"


class TensorBoardLog:
    """Scalars train/* and validation/* by step. A run that goes on after `done` steps replaces what it does again."""

    def __init__(self, out: Path, done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(out / FOLDER, purge_step=done + 1)

    def trained(self, step: int, losses: Mapping[str, float]) -> None:
        for name, value in losses.items():
            self._writer.add_scalar(f"train/{name}", value, step)

    def validated(self, step: int, result: Mapping[str, Any]) -> None:
        """`result` as the validation curve has it, with its loss by dialect; on disk when this returns."""
        self._writer.add_scalar("validation/loss", result["loss"], step)
        for code, each in result.get("by_dialect", {}).items():
            self._writer.add_scalar(f"validation/loss {code or 'no dialect'}", each["loss"], step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
