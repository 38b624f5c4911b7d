"""Checkpoints of a run: step_XXXXXXX folders that appear whole, `latest` pointing at one, old ones removed."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from model.finetune.weights import Weights
from pipeline.lake.files import replace_bytes

LATEST = "latest"
_STATE, _MOMENTS, _AVERAGE = "training_state.json", "optimizer.safetensors", "ema.safetensors"


class CannotResume(ValueError):
    """The folder holds a run with other data or settings; the message names what differs."""


@dataclass
class State:
    """How far a run is: `step` steps are done. Curves as in report.FineTuneReport."""

    step: int = 0
    best_step: int = 0
    best_loss: float | None = None
    without_better: int = 0
    wall_seconds: float = 0.0
    train: list[dict[str, float]] = field(default_factory=list)
    dev: list[dict[str, Any]] = field(default_factory=list)


class Checkpoints:
    """The folder `checkpoints` of a run. Only one process writes to it."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep

    def path(self, step: int) -> Path:
        return self.folder / f"step_{step:07}"

    def begin(self, step: int) -> Path:
        """An empty folder to put the weights of `step` into."""
        partial = self.folder / f".step_{step:07}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        return partial

    def complete(self, partial: Path, state: State, moments: Weights, average: Weights | None) -> None:
        """Add the training state to `partial`, let it appear under its name, point `latest` at it, remove old ones."""
        save_file(moments, partial / _MOMENTS)
        if average is not None:
            save_file(average, partial / _AVERAGE)
        (partial / _STATE).write_text(json.dumps(asdict(state), ensure_ascii=False), encoding="utf-8")
        for file in partial.iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
        final = self.path(state.step)
        shutil.rmtree(final, ignore_errors=True)
        os.rename(partial, final)
        pointer = self.folder / f".{LATEST}"
        pointer.unlink(missing_ok=True)
        pointer.symlink_to(final.name)
        os.replace(pointer, self.folder / LATEST)
        self._remove_old(state.best_step)

    def latest(self) -> Path | None:
        """The folder to go on from."""
        pointer = self.folder / LATEST
        return self.folder / os.readlink(pointer) if pointer.is_symlink() else None

    def _remove_old(self, best: int) -> None:
        found = sorted(path for path in self.folder.glob("step_*") if path.is_dir())
        for path in found[: -self.keep]:
            if path != self.path(best):
                shutil.rmtree(path)
        for partial in self.folder.glob(".step_*.partial"):
            shutil.rmtree(partial)


def read_state(folder: Path) -> State:
    return State(**json.loads((folder / _STATE).read_text(encoding="utf-8")))


def read_moments(folder: Path) -> Weights:
    return load_file(folder / _MOMENTS)


def read_average(folder: Path) -> Weights:
    return load_file(folder / _AVERAGE)


def claim(path: Path, identity: dict[str, Any], done: int | None) -> None:
    """Write what a run is made of, or compare it with the file at `path` where the run goes on after `done` steps.

    More steps than the run had lengthen it: it goes on at the learning rate that the new length gives, and what it was
    before stays in the file under `lengthened`. Raises CannotResume.
    """
    if done is not None and path.is_file():
        held = json.loads(path.read_text(encoding="utf-8"))
        lengthened = held.pop("lengthened", [])
        if held.get("steps", 0) < identity.get("steps", 0):
            lengthened = [*lengthened, {"steps": held["steps"], "done": done}]
            held["steps"] = identity["steps"]
        differing = [
            f"{name} was {held.get(name)!r}, is {each!r}" for name, each in identity.items() if held.get(name) != each
        ]
        if differing:
            raise CannotResume(
                f"{path.parent}: holds a run with other settings or data; choose another folder or remove it: "
                + "; ".join(differing)
            )
        identity = identity | ({"lengthened": lengthened} if lengthened else {})
    replace_bytes(path, (json.dumps(identity, indent=1, ensure_ascii=False) + "\n").encode())
