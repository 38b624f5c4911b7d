"""The recorded reference of the tiny checkpoint, and the modules loaded from it once per run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
from safetensors.torch import load_file
from tiny_checkpoint import CHECKPOINT, CPU, FIXTURE

from model.voxcpm2.audio_vae import AudioVAE
from model.voxcpm2.checkpoint import read_audio_vae, read_network
from model.voxcpm2.config import VoxCPM2Config, read_config
from model.voxcpm2.network import Network

# As it was recorded; oneDNN reads this at its first convolution. See `one_thread` for why it matters.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """As it was recorded: the tiny random AudioVAE magnifies another order of summation a thousandfold."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def recorded() -> dict[str, torch.Tensor]:
    return load_file(FIXTURE / "reference.safetensors")


@pytest.fixture(scope="session")
def config() -> VoxCPM2Config:
    return read_config(CHECKPOINT / "config.json")


@pytest.fixture(scope="session")
def network(config: VoxCPM2Config) -> Network:
    return read_network(config, CHECKPOINT, torch.float32, CPU).requires_grad_(False)


@pytest.fixture(scope="session")
def vae(config: VoxCPM2Config) -> AudioVAE:
    return read_audio_vae(config, CHECKPOINT, CPU)
