"""What came of a run: figures, loss curves, and the files curves.json and curves.png that show them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pipeline.lake.files import replace_bytes, replace_file

# {"step", "loss", "diffusion", "stop", "learning_rate", "gradient_norm"} each
Curve = list[dict[str, float]]


@dataclass(frozen=True)
class FineTuneReport:
    """Losses are means over target patches; `dev` has them by dialect as {"step", "loss", "by_dialect": {code: ...}}.

    best_step: the one whose weights lie in `out`. best_loss: its validation loss, None without a dev set. Seconds of
    audio are of the training clips once, trailing silence taken off. wall_seconds: training alone, restarts included.
    """

    out: Path
    kind: str
    steps: int
    best_step: int
    best_loss: float | None
    stopped_early: bool
    train: Curve
    dev: list[dict[str, Any]]
    samples: int
    dev_samples: int
    audio_seconds: float
    trained_parameters: int
    wall_seconds: float
    hardware: str
    precision: str
    processes: int
    skipped: int


def hardware(device: torch.device) -> str:
    """The processor in words, with the number of threads or the GPU's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} of {os.cpu_count()} cores"


def write(report: FineTuneReport) -> None:
    """curves.json and curves.png into the run's folder."""
    fields = asdict(report)
    del fields["out"]
    replace_bytes(report.out / "curves.json", (json.dumps(fields, indent=1, ensure_ascii=False) + "\n").encode())
    replace_file(report.out / "curves.png", partial(_plot, report.train, report.dev))


def _plot(train: Curve, dev: Sequence[Mapping[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    steps = [point["step"] for point in train]
    for name, colour in (("diffusion", "tab:blue"), ("stop", "tab:orange")):
        axes.plot(steps, [point[name] for point in train], color=colour, alpha=0.6, linewidth=1, label=f"train {name}")
    for code in dev[-1]["by_dialect"] if dev else ():
        at = [point["step"] for point in dev]
        losses = [point["by_dialect"][code]["loss"] for point in dev]
        axes.plot(at, losses, marker="o", markersize=3, label=f"validation {code or 'no dialect'}")
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.legend()
    figure.savefig(path, dpi=120, format="png")
