"""A VoxCPM2 directory on disk to modules and back: config.json, model.safetensors, audiovae.{pth,safetensors}.

Strict: missing, surplus and misshapen tensors are listed, and nothing is unpickled but tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from model.voxcpm2.audio_vae import AudioVAE
from model.voxcpm2.config import VoxCPM2Config
from model.voxcpm2.network import Network
from pipeline.lake.files import replace_file

WEIGHTS = "model.safetensors"
VAE_FILES = ("audiovae.safetensors", "audiovae.pth")
_SHOWN = 8


class CheckpointError(ValueError):
    """A file of the checkpoint is missing, unreadable, or does not hold the tensors that its config promises."""


def read_network(config: VoxCPM2Config, folder: Path, dtype: torch.dtype, device: torch.device) -> Network:
    """The network with the weights of `folder`, read memory-mapped. Raises CheckpointError."""
    with torch.device("meta"):
        network = Network(config)
    _fill(network, read_tensors(folder / WEIGHTS), folder / WEIGHTS, dtype, device)
    return network.eval()


def read_audio_vae(config: VoxCPM2Config, folder: Path, device: torch.device) -> AudioVAE:
    """The AudioVAE of `folder`, float32, weight norm folded. Raises CheckpointError."""
    path = next((folder / name for name in VAE_FILES if (folder / name).is_file()), None)
    if path is None:
        raise CheckpointError(f"{folder}: has neither {' nor '.join(VAE_FILES)}")
    with torch.device("meta"):
        vae = AudioVAE(config.audio_vae_config)
    _fill(vae, read_tensors(path), path, torch.float32, device)
    return vae.requires_grad_(False).eval().fold()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors or .pth file; a .pth may hold them under "state_dict"."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (SafetensorError, RuntimeError, OSError, ValueError, EOFError) as error:
        raise CheckpointError(f"{path}: cannot be read; copy it again: {error}") from None
    except Exception as error:
        raise CheckpointError(f"{path}: holds more than tensors, or is damaged: {error}") from None
    tensors = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(tensors, Mapping) or not all(isinstance(each, Tensor) for each in tensors.values()):
        raise CheckpointError(f"{path}: is not a mapping from names to tensors")
    return dict(tensors)


def write_network(network: Network, path: Path, dtype: torch.dtype | None = None) -> None:
    """model.safetensors in `dtype` (None: as the network is)."""
    _write({name: each.to(dtype or each.dtype) for name, each in network.state_dict().items()}, path)


def write_audio_vae(vae: AudioVAE, folder: Path) -> None:
    """audiovae.pth, the published layout."""
    content = {"state_dict": {name: _own(each) for name, each in vae.state_dict().items()}}
    replace_file(folder / "audiovae.pth", partial(torch.save, content))


def difference(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """What keeps `found` from filling `wanted`, one sentence for each kind of trouble; empty when it fits."""
    missing = [name for name in wanted if name not in found]
    surplus = [name for name in found if name not in wanted]
    misshapen = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in found and found[name].shape != wanted[name].shape
    ]
    kinds = (("missing", missing), ("surplus", surplus), ("misshapen", misshapen))
    return [f"{len(names)} {kind}: {_listed(names)}" for kind, names in kinds if names]


def _fill(module: nn.Module, tensors: dict[str, Tensor], path: Path, dtype: torch.dtype, device: torch.device) -> None:
    """Give a module built on the meta device its tensors; floating ones become `dtype`."""
    wanted = module.state_dict()
    if wrong := difference(wanted, tensors):
        raise CheckpointError(f"{path}: does not fit config.json; " + "; ".join(wrong))
    placed = {
        name: tensors[name].to(device, dtype if each.is_floating_point() else each.dtype)
        for name, each in wanted.items()
    }
    module.load_state_dict(placed, assign=True)


def _write(tensors: dict[str, Tensor], path: Path) -> None:
    content = {name: _own(each) for name, each in tensors.items()}
    replace_file(path, lambda temporary: save_file(content, temporary, metadata={"format": "pt"}))


def _own(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().clone()


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
