"""From the states of both trainings to a model, and to the folder that `model.voxcpm2.load` opens."""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from model.voxcpm2 import checkpoint
from model.voxcpm2.audio_vae import AudioVAE
from model.voxcpm2.config import VoxCPM2Config, write_config
from model.voxcpm2.model import VoxCPM2
from model.voxcpm2.network import Network
from recipes.state import load_state
from recipes.voice.tokens import build_tokenizer


def trained_model(config: VoxCPM2Config, codec: Path, network: Path) -> VoxCPM2:
    """The averaged AudioVAE of the state `codec` and the averaged network of `network`, float32, ready to speak.

    Raises FileNotFoundError where a state is missing.
    """
    held, weights = load_state(network), load_state(codec)
    if held is None or weights is None:
        raise FileNotFoundError(f"no training state in {codec} and {network}; run `python -m recipes voice`")
    vae, net = AudioVAE(config.audio_vae_config), Network(config)
    vae.load_state_dict(weights["average"])
    net.load_state_dict(held["average"])
    return VoxCPM2(config, net.eval(), vae.requires_grad_(False).eval().fold(), build_tokenizer())


def export(model: VoxCPM2, out: Path) -> None:
    """Write the checkpoint folder, weights as float16."""
    out.mkdir(parents=True, exist_ok=True)
    checkpoint.write_network(model.network, out / checkpoint.WEIGHTS, torch.float16)
    checkpoint.write_audio_vae(copy.deepcopy(model.audio_vae).half(), out)
    model.tokenizer.write(out)
    write_config(model.config, out / "config.json")
