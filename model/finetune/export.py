"""A run's weights as a directory that others read: the published LoRA layout, or a whole VoxCPM2 directory."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from model.finetune import lora
from model.finetune.weights import Weights
from model.voxcpm2 import VoxCPM2
from model.voxcpm2.checkpoint import VAE_FILES, WEIGHTS
from model.voxcpm2.config import write_config
from pipeline.lake.files import replace_file


def weights_file(kind: str) -> str:
    """Name of the file with the trained tensors."""
    return lora.WEIGHTS if kind == "lora" else WEIGHTS


def write_full(folder: Path, model: VoxCPM2, base: Path, weights: Weights, dtype: torch.dtype | None = None) -> None:
    """`weights` in `dtype` (None: as they are) with everything else of the base that a directory needs.

    The AudioVAE, which fine-tuning leaves alone, is linked or else copied.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {name: _as(each, dtype) for name, each in weights.items()}
    replace_file(folder / WEIGHTS, lambda temporary: save_file(content, temporary, metadata={"format": "pt"}))
    write_config(model.config, folder / "config.json")
    model.tokenizer.write(folder)
    vae = next(base / name for name in VAE_FILES if (base / name).is_file())
    (folder / vae.name).unlink(missing_ok=True)
    try:
        # What a symbolic link names, as in a cache of the hub: its own path would lead nowhere from here.
        os.link(vae.resolve(), folder / vae.name)
    except OSError:
        shutil.copyfile(vae, folder / vae.name)


def _as(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    return tensor.to(dtype or tensor.dtype).contiguous()
