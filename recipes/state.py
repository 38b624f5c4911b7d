"""Training state on disk: written whole or not at all, so that a killed training goes on from its last save."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch

from pipeline.lake.files import replace_file


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Replace the state at `path` in one step."""
    replace_file(path, partial(torch.save, state))


def load_state(path: Path) -> dict[str, Any] | None:
    """The state that was saved last, None if there is none."""
    if not path.exists():
        return None
    return torch.load(path, map_location="cpu", weights_only=True)
