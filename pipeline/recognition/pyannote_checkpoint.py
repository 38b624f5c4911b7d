"""A folder for pyannote is looked at before pyannote loads it: it may hold weights and names of models, but no code.

pyannote unpickles weights and imports whatever class a config.yaml or a weights file names; both could be any program.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.recognition import checkpoints

_PIPELINES = (
    "pyannote.audio.pipelines.SpeakerDiarization",
    "pyannote.audio.pipelines.speaker_diarization.SpeakerDiarization",
)
_MODELS = "pyannote.audio.models."
_PARTS = ("segmentation", "embedding", "plda")
_OWN_HUB = "pyannote/"
_WEIGHTS = (".bin", ".ckpt", ".pt", ".pth")


class HoldsCode(ValueError):
    """Loading the checkpoint would run code that lies in it; the message names the file and what it holds."""


def check(folder: Path, from_hub: bool = False, trusted: Sequence[str] = ()) -> None:
    """Raises HoldsCode, or ValueError for a part that is neither in the folder nor of pyannote's own on the hub.

    `trusted` are modules installed on this machine that a network may be a class of, besides pyannote's own.
    """
    elsewhere = _check_config(folder / "config.yaml", from_hub)
    with weights_only():
        for place in (folder, *elsewhere):
            for file in _weights_in(place):
                _check_weights(file, trusted)


@contextmanager
def weights_only() -> Iterator[None]:
    """torch.load takes tensors, plain values and pyannote's own descriptions of a model, whoever calls it inside."""
    from pyannote.audio.core.model import Introspection
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from torch.serialization import safe_globals
    from torch.torch_version import TorchVersion

    described = [Introspection, Problem, Resolution, Specifications, TorchVersion]
    with checkpoints.weights_only(), safe_globals(described):
        yield


def _weights_in(place: Path) -> list[Path]:
    """Files with weights at a place, which may be one itself; folders that are links are followed as pyannote does."""
    if place.is_file():
        return [place]
    found = (Path(folder, name) for folder, _, names in os.walk(place, followlinks=True) for name in names)
    return sorted(file for file in found if file.suffix in _WEIGHTS)


def _check_config(file: Path, from_hub: bool) -> list[Path]:
    """Looks at the configuration; gives the places outside of its folder that parts are taken from."""
    import yaml

    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    pipeline: Any = config.get("pipeline") if isinstance(config, dict) else None
    if not isinstance(pipeline, dict) or pipeline.get("name") not in _PIPELINES:
        raise HoldsCode(f"{file}: pipeline.name must be {_PIPELINES[0]}: any other class could be any program")
    if config.get("preprocessors"):
        raise HoldsCode(f"{file}: preprocessors name classes to import; remove them")
    params = pipeline.get("params") or {}
    for part in _PARTS:
        name = params.get(part, "$model/")
        inside = isinstance(name, str) and (name.startswith("$model/") or Path(name).is_absolute())
        if not inside and not (from_hub and isinstance(name, str) and name.startswith(_OWN_HUB)):
            raise ValueError(f"{file}: {part} = {name!r} is not in the folder; put it there and write $model/{part}")
    return [Path(params[part]) for part in _PARTS if Path(params.get(part, "")).is_absolute()]


def _check_weights(file: Path, trusted: Sequence[str] = ()) -> None:
    import torch

    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[-1] if str(error) else "it is damaged"
        raise HoldsCode(
            f"{file}: holds more than weights, which would run as a program: {_reason(file, reason)}"
        ) from None
    about = content.get("pyannote.audio") if isinstance(content, dict) else None
    module = (about or {}).get("architecture", {}).get("module", _MODELS)
    if not str(module).startswith(_MODELS) and module not in trusted:
        raise HoldsCode(
            f"{file}: asks for a model of the module {module}, which is not pyannote's; if you installed that module "
            f"and trust it, name it in [diarize] trusted_modules"
        )


def _reason(file: Path, otherwise: str) -> str:
    """What the file wants to have imported, where torch can tell."""
    from torch.serialization import get_unsafe_globals_in_checkpoint

    try:
        unsafe = get_unsafe_globals_in_checkpoint(file)
    except Exception:
        return otherwise
    return ", ".join(unsafe) or otherwise
