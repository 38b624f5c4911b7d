"""Adapters by row: one batch speaks many dialects, each row as its own adapter alone would."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from tiny_checkpoint import CHECKPOINT, FIXTURE, relative

from model import voxcpm2
from model.finetune import lora
from model.finetune.config import LoraConfig
from model.finetune.row_lora import load_rows
from model.voxcpm2 import Request, VoxCPM2
from model.voxcpm2.prompt import BadRequest
from pipeline.audio.clips import read

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CONFIGS = {
    "tianjin": LoraConfig(r=4, alpha=8, enable_proj=True),
    "sichuan": LoraConfig(r=2, alpha=2, target_modules_lm=ALL, target_modules_dit=ALL),
    "yue": LoraConfig(r=3, alpha=6, enable_dit=False, target_modules_lm=["v_proj", "down_proj"]),
}


@pytest.fixture(scope="module")
def model() -> VoxCPM2:
    return voxcpm2.load(CHECKPOINT)


@pytest.fixture(scope="module")
def folders(model: VoxCPM2, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Adapters that change much: both factors are drawn at random."""
    root = tmp_path_factory.mktemp("adapters")
    generator = torch.Generator().manual_seed(7)
    for name, config in CONFIGS.items():
        adapters = lora.Lora(copy.deepcopy(model.network), config)
        tensors = {key: torch.randn(each.shape, generator=generator) * 0.1 for key, each in adapters.tensors().items()}
        (root / name).mkdir()
        lora.save(root / name, tensors, config, "tiny")
    return {name: root / name for name in CONFIGS}


def requests(model: VoxCPM2) -> list[Request]:
    """One of each adapter and one of none, of different length, steps and kind."""
    voice = model.encode_samples(torch.from_numpy(read(FIXTURE / "ref.wav")), continued=False)
    return [
        Request("hello", seed=1, max_patches=4, attempts=1, adapter="tianjin"),
        Request("今天天气很好。", seed=2, max_patches=3, steps=6, attempts=1, adapter="sichuan", reference=voice),
        Request("世界", seed=3, max_patches=5, attempts=1, adapter="yue"),
        Request("好天气", seed=4, max_patches=4, attempts=1),
        Request("你好", seed=5, max_patches=2, attempts=1, adapter="sichuan"),
        Request("你好", seed=6, max_patches=2, attempts=1, adapter="tianjin", reference=voice),
    ]


def test_each_row_is_spoken_as_with_its_adapter_alone(model: VoxCPM2, folders: dict[str, Path]) -> None:
    """Adapters merged into the weights, as `speak --lora` has them, add up in another order: there 1e-4."""
    plain = {name: each.clone() for name, each in model.network.state_dict().items()}
    many = copy.deepcopy(model)
    load_rows(many.network, folders)
    together = many.generate(requests(many), batch_size=3)
    for request, result in zip(requests(many), together, strict=True):
        one, merged = copy.deepcopy(model), copy.deepcopy(model)
        if request.adapter:
            load_rows(one.network, {request.adapter: folders[request.adapter]})
            lora.load(merged.network, folders[request.adapter])
        alone = one.generate([request])[0]
        assert result.patches == alone.patches
        assert relative(result.latents, alone.latents) <= 1e-5, request.text
        same = merged.generate([Request(**{**vars(request), "adapter": ""})])[0]
        assert relative(result.latents, same.latents) <= 1e-4, request.text
    base = model.generate([Request("hello", seed=1, max_patches=4, attempts=1)])[0]
    assert relative(together[0].latents, base.latents) > 1e-2, "the adapters change what is said"
    assert plain.keys() == many.network.state_dict().keys()
    assert all(torch.equal(each, many.network.state_dict()[name]) for name, each in plain.items())


def test_the_plain_network_and_its_twin_agree(model: VoxCPM2, folders: dict[str, Path]) -> None:
    many = copy.deepcopy(model)
    load_rows(many.network, folders)
    twin = many.generate(requests(many))
    many._speaker = lambda: many.network  # pyright: ignore[reportAttributeAccessIssue]
    for first, second in zip(twin, many.generate(requests(many)), strict=True):
        assert relative(first.latents, second.latents) <= 1e-4


def test_what_is_not_resident_or_does_not_fit_is_refused(
    model: VoxCPM2, folders: dict[str, Path], tmp_path: Path
) -> None:
    many = copy.deepcopy(model)
    with pytest.raises(BadRequest, match="not resident"):
        many.generate([Request("好", adapter="yue")])
    (tmp_path / "wrong").mkdir()
    lora.save(tmp_path / "wrong", {"x.lora_A": torch.zeros(1)}, CONFIGS["yue"], "tiny")
    with pytest.raises(lora.LoraError, match="does not fit"):
        load_rows(many.network, {"wrong": tmp_path / "wrong"})
    load_rows(many.network, folders)
    with pytest.raises(lora.LoraError, match="all of them at once"):
        load_rows(many.network, folders)
    with pytest.raises(BadRequest, match="tianjin, sichuan, yue"):
        many.generate([Request("好", adapter="wuu")])
