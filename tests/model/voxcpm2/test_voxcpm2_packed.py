"""The packed twin that speaks on a CPU: it computes what the network does, and follows its weights and adapters."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_checkpoint import CHECKPOINT, CPU, relative

from model.finetune.config import LoraConfig
from model.finetune.lora import Lora
from model.voxcpm2.checkpoint import read_network
from model.voxcpm2.config import VoxCPM2Config
from model.voxcpm2.network import Network
from model.voxcpm2.packed import PackedNetwork, pack, packable
from model.voxcpm2.transformer import TransformerStack

Recorded = dict[str, torch.Tensor]


@pytest.fixture
def own(config: VoxCPM2Config) -> Network:
    """A network of the test's own, to change."""
    return read_network(config, CHECKPOINT, torch.float32, CPU)


def velocity(network: Network, recorded: Recorded) -> torch.Tensor:
    mod = {name: recorded[f"mod/dit_{name}"] for name in ("x", "mu", "t", "cond", "dt")}
    with torch.inference_mode():
        return network.feat_decoder.estimator(mod["x"], mod["mu"], mod["t"], mod["cond"], mod["dt"])


@torch.inference_mode()
def test_packed_modules_give_the_recorded_tensors(network: Network, recorded: Recorded) -> None:
    assert packable(network)
    packed = pack(network)
    assert relative(velocity(packed, recorded), recorded["mod/dit_out"]) <= 1e-6
    assert relative(packed.feat_encoder(recorded["mod/locenc_in"][0])[None], recorded["mod/locenc_out"]) <= 1e-6
    assert relative(packed.base_lm(recorded["mod/lm_in"]), recorded["mod/base_lm_out"]) <= 1e-6
    assert relative(packed.residual_lm(recorded["mod/lm_in"]), recorded["mod/residual_lm_out"]) <= 1e-6


def test_packing_leaves_the_network_as_it_was(own: Network, recorded: Recorded) -> None:
    before = {name: each.clone() for name, each in own.state_dict().items()}
    parameters = [id(each) for each in own.parameters()]
    packed = PackedNetwork(own)
    assert packed() is not own
    assert own.state_dict().keys() == before.keys()
    assert all(torch.equal(each, before[name]) for name, each in own.state_dict().items())
    assert [id(each) for each in own.parameters()] == parameters
    assert all(each.grad_fn is None and each.requires_grad for each in own.parameters())
    assert relative(velocity(copy.deepcopy(packed)(), recorded), recorded["mod/dit_out"]) <= 1e-6


@pytest.mark.parametrize("way", ["counted", "uncounted", "norm"])
def test_the_twin_follows_every_change_of_a_weight(own: Network, recorded: Recorded, way: str) -> None:
    packed = PackedNetwork(own)
    before = velocity(packed(), recorded)
    assert packed() is packed()
    layer = own.feat_decoder.estimator.decoder.layers[0]
    if way == "counted":
        with torch.no_grad():
            layer.get_parameter("mlp.up_proj.weight").mul_(1.5)
    elif way == "uncounted":
        changed = layer.get_parameter("self_attn.q_proj.weight").data
        changed.copy_(changed * 1.5)
    else:
        layer.get_parameter("input_layernorm.weight").data.mul_(1.5)
    after = velocity(packed(), recorded)
    assert relative(after, before) > 1e-3
    assert relative(after, velocity(own, recorded)) <= 1e-6


def test_the_twin_speaks_with_enabled_adapters_and_without_disabled_ones(own: Network, recorded: Recorded) -> None:
    packed = PackedNetwork(own)
    before = velocity(packed(), recorded)
    lora = Lora(own, LoraConfig(r=4, alpha=4))
    lora.initialise(torch.Generator().manual_seed(0))
    for adapter in lora.adapters.values():
        torch.nn.init.normal_(adapter.lora_B, std=0.5, generator=torch.Generator().manual_seed(1))
    adapted = velocity(packed(), recorded)
    assert relative(adapted, before) > 1e-3
    assert relative(adapted, velocity(own, recorded)) <= 1e-5
    lora.enabled = False
    assert torch.equal(velocity(packed(), recorded), before)


@torch.inference_mode()
def test_the_last_layer_computes_only_what_is_asked(network: Network) -> None:
    stack: TransformerStack = network.feat_decoder.estimator.decoder
    x = torch.randn(3, 11, stack.config.hidden, generator=torch.Generator().manual_seed(0))
    assert relative(stack(x, last=4), stack(x)[:, -4:]) <= 1e-6


_IN_BFLOAT16 = """
import torch
from safetensors.torch import load_file
from tiny_checkpoint import CHECKPOINT, CPU, FIXTURE
from model.voxcpm2.checkpoint import read_network
from model.voxcpm2.config import read_config
from model.voxcpm2.packed import PackedNetwork

mod = {name[4:]: each for name, each in load_file(FIXTURE / "reference.safetensors").items() if name[:4] == "mod/"}
network = read_network(read_config(CHECKPOINT / "config.json"), CHECKPOINT, torch.bfloat16, CPU)
inputs = [mod[f"dit_{name}"].bfloat16() for name in ("x", "mu", "t", "cond", "dt")]
with torch.inference_mode():
    for each in (network, PackedNetwork(network)()):
        velocity, states = each.feat_decoder.estimator(*inputs), each.base_lm(mod["lm_in"].bfloat16())
        for found, exact in ((velocity, mod["dit_out"]), (states, mod["base_lm_out"])):
            print(((found.float() - exact).norm() / exact.norm()).item())
"""


@pytest.mark.slow
def test_in_bfloat16_the_twin_is_as_near_to_float32_as_the_network() -> None:
    """In a process of its own: the other tests keep oneDNN from the instructions that bfloat16 needs."""
    root = Path(__file__).parents[3]
    path = os.pathsep.join(map(str, (root / "tests" / "helpers", root)))
    found = subprocess.run(
        [sys.executable, "-c", _IN_BFLOAT16],
        env={
            **os.environ,
            "ONEDNN_MAX_CPU_ISA": "DEFAULT",
            "PYTHONPATH": path,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    velocity, states, twin_velocity, twin_states = map(float, found.stdout.split())
    assert 0 < twin_velocity <= 1.2 * velocity < 0.2
    assert 0 < twin_states <= 1.2 * states < 0.02
