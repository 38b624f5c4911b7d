"""Adapters: the published layout and formula, strict loading, switching, stacking and merging."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoint import CHECKPOINT

from model import voxcpm2
from model.finetune import lora
from model.finetune.config import LoraConfig
from model.finetune.lora import Lora, LoraError
from model.voxcpm2 import Request, VoxCPM2
from model.voxcpm2.config import VoxCPM2Config
from model.voxcpm2.network import Network

PATH = "base_lm.layers.0.self_attn.q_proj"
Ask = Callable[[VoxCPM2], np.ndarray]


@pytest.fixture
def model() -> VoxCPM2:
    return voxcpm2.load(CHECKPOINT, dtype="float32", device="cpu")


def spoken(model: VoxCPM2) -> np.ndarray:
    request = Request("今天天气很好", seed=1, max_patches=2, min_patches=9, steps=3, attempts=1)
    return model.generate([request])[0].latents.numpy()


def states(network: Network) -> torch.Tensor:
    text = torch.arange(10, 18)[None]
    nothing = torch.zeros(1, 8, 4, 8)
    with torch.no_grad():
        return network(text, torch.ones(1, 8), nothing, torch.zeros(1, 8)).residual


def randomised(network: Network, seed: int, **fields: object) -> Lora:
    """Attached and no longer idle: B is random too."""
    adapters = Lora(network, LoraConfig(**{"r": 4, "alpha": 8, **fields}))
    chance = torch.Generator().manual_seed(seed)
    adapters.initialise(chance)
    for adapter in adapters.adapters.values():
        adapter.requires_grad_(False).lora_B.normal_(std=0.2, generator=chance)
    return adapters


def test_a_fresh_adapter_changes_nothing(model: VoxCPM2) -> None:
    before, names = spoken(model), list(model.network.state_dict())
    adapters = Lora(model.network, LoraConfig())
    adapters.initialise(torch.Generator().manual_seed(0))
    first = adapters.adapters[PATH]
    bound = 1 / first.lora_A.shape[1] ** 0.5
    assert 0.9 * bound < first.lora_A.abs().max() <= bound
    assert not first.lora_B.any()
    assert np.array_equal(spoken(model), before)
    assert list(model.network.state_dict()) == names


def test_on_and_off_changes_and_restores_every_bit(model: VoxCPM2) -> None:
    before = spoken(model)
    adapters = randomised(model.network, 3)
    on = spoken(model)
    assert np.abs(on - before).max() > 0.01
    adapters.enabled = False
    assert np.array_equal(spoken(model), before)
    adapters.enabled = True
    assert np.array_equal(spoken(model), on)
    adapters.detach()
    assert np.array_equal(spoken(model), before)
    assert type(model.network.get_submodule(PATH)) is torch.nn.Linear


def test_an_adapter_computes_the_published_formula(model: VoxCPM2) -> None:
    linear = model.network.get_submodule(PATH)
    assert isinstance(linear, torch.nn.Linear)
    weight, x = linear.weight, torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    adapter = randomised(model.network, 1, dropout=0.5).adapters[PATH]
    adapted = model.network.get_submodule(PATH)
    branch = (x @ adapter.lora_A.T) @ adapter.lora_B.T
    assert torch.allclose(adapted(x), x @ weight.T + branch * 2.0, atol=1e-5)
    adapter.train()
    torch.manual_seed(0)
    dropped = (adapted(x) - x @ weight.T) / (branch * 2.0)
    # Outputs of the branch are dropped or doubled.
    assert torch.allclose(dropped.round(), dropped, atol=1e-2)
    assert set(dropped.round().flatten().tolist()) == {0.0, 2.0}


def test_the_saved_layout_is_the_published_one(model: VoxCPM2, tmp_path: Path) -> None:
    adapters = randomised(model.network, 5)
    changed = spoken(model)
    lora.save(tmp_path, adapters.tensors(), adapters.config, "openbmb/VoxCPM2")
    held = load_file(tmp_path / "lora_weights.safetensors")
    assert held[f"{PATH}.lora_A"].shape == (4, 64)
    assert held[f"{PATH}.lora_B"].shape == (64, 4)
    assert held["feat_decoder.estimator.decoder.layers.0.self_attn.o_proj.lora_A"].shape == (4, 64)
    assert {name.split(".")[0] for name in held} == {"base_lm", "residual_lm", "feat_decoder"}
    # Four projections of two and two and two layers, A and B of each.
    assert len(held) == 2 * 4 * 6
    about = json.loads((tmp_path / "lora_config.json").read_text())
    assert about["base_model"] == "openbmb/VoxCPM2"
    assert set(about["lora_config"]) == {
        "enable_lm",
        "enable_dit",
        "enable_proj",
        "r",
        "alpha",
        "dropout",
        "target_modules_lm",
        "target_modules_dit",
        "target_proj_modules",
    }
    again = voxcpm2.load(CHECKPOINT, dtype="float32", device="cpu")
    lora.load(again.network, tmp_path)
    assert np.array_equal(spoken(again), changed)


def test_what_does_not_fit_is_listed(model: VoxCPM2, tmp_path: Path) -> None:
    adapters = randomised(model.network, 5)
    lora.save(tmp_path, adapters.tensors(), adapters.config, "base")
    adapters.detach()
    held = load_file(tmp_path / "lora_weights.safetensors")
    held["other.lora_A"] = held.pop(f"{PATH}.lora_A")
    held[f"{PATH}.lora_B"] = torch.zeros(3, 3)
    save_file(held, tmp_path / "lora_weights.safetensors")
    with pytest.raises(LoraError) as told:
        lora.load(model.network, tmp_path)
    for part in (f"1 missing: {PATH}.lora_A", "1 surplus: other.lora_A", f"1 misshapen: {PATH}.lora_B (3, 3)"):
        assert part in str(told.value)
    assert type(model.network.get_submodule(PATH)) is torch.nn.Linear
    (tmp_path / "lora_config.json").write_text('{"base_model": "x", "lora_config": {"r": 0, "rank": 3}}')
    with pytest.raises(LoraError, match=r"r: .*rank: "):
        lora.load(model.network, tmp_path)
    (tmp_path / "lora_config.json").write_text('{"base_model": "x", "lora_config": {"r": 4}}')
    with pytest.raises(LoraError, match=r"has no alpha, .*scale"):
        lora.load(model.network, tmp_path)
    with pytest.raises(LoraError, match="'qproj'"):
        Lora(model.network, LoraConfig(target_modules_lm=["qproj"]))


def test_stacked_adapters_add_up_and_are_switched_each_by_itself(model: VoxCPM2) -> None:
    plain = states(model.network)
    first = randomised(model.network, 1, enable_dit=False)
    alone = states(model.network)
    second = randomised(model.network, 2, enable_dit=False, enable_proj=True, r=2)
    both = states(model.network)
    layer = model.network.get_submodule(PATH)
    assert isinstance(layer, lora.LoraLinear)
    expected = layer.weight + first.adapters[PATH].update() + second.adapters[PATH].update()
    assert torch.allclose(layer.effective_weight(), expected, atol=1e-6)
    assert not torch.allclose(both, alone)
    second.enabled = False
    assert torch.equal(states(model.network), alone)
    first.enabled = False
    assert torch.equal(states(model.network), plain)


def test_adapters_that_nobody_keeps_do_not_take_each_others_place(model: VoxCPM2) -> None:
    for _ in range(3):
        Lora(model.network, LoraConfig(r=4))
    layer = model.network.get_submodule(PATH)
    assert isinstance(layer, lora.LoraLinear)
    assert len(layer.adapters) == 3


def test_merged_weights_speak_as_attached_ones_did(model: VoxCPM2) -> None:
    adapters = randomised(model.network, 7, enable_proj=True)
    attached = states(model.network)
    adapters.merge()
    assert not any(isinstance(module, lora.LoraLinear) for module in model.network.modules())
    assert torch.allclose(states(model.network), attached, atol=1e-4)


def test_sizes_on_the_published_configuration_are_those_of_the_description() -> None:
    lm = {"hidden_size": 2048, "intermediate_size": 6144, "num_attention_heads": 16, "num_hidden_layers": 28}
    local = {"hidden_dim": 1024, "ffn_dim": 4096, "num_heads": 16, "num_layers": 12}
    config = VoxCPM2Config.model_validate(
        {
            "lm_config": {**lm, "num_key_value_heads": 2, "kv_channels": 128, "vocab_size": 73448},
            "encoder_config": local,
            "dit_config": local,
        }
    )
    with torch.device("meta"):
        network = Network(config)
    for rank, millions in ((32, 18.1), (64, 36.2)):
        adapters = Lora(network, LoraConfig(r=rank))
        assert sum(each.numel() for each in adapters.tensors().values()) / 1e6 == pytest.approx(millions, abs=0.05)
        adapters.detach()
