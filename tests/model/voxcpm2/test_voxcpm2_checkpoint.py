"""Configuration, tokenizer and checkpoint: what is read, what is refused, what is written back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoint import CHECKPOINT, CPU, FIXTURE

from model import voxcpm2
from model.voxcpm2.audio_vae import AudioVAE
from model.voxcpm2.checkpoint import CheckpointError, read_audio_vae, read_network
from model.voxcpm2.config import ConfigError, VoxCPM2Config, read_config
from model.voxcpm2.network import Network
from model.voxcpm2.rope import RopeTables
from model.voxcpm2.tokenizer import Tokenizer, TokenizerError

LISTS = FIXTURE.parent


def published() -> VoxCPM2Config:
    """config.json of openbmb/VoxCPM2."""
    factors = json.loads((LISTS / "voxcpm2-longrope.json").read_text())
    local = {"hidden_dim": 1024, "ffn_dim": 4096, "num_heads": 16, "num_layers": 12, "kv_channels": 128}
    return VoxCPM2Config.model_validate(
        {
            "lm_config": {
                "hidden_size": 2048,
                "intermediate_size": 6144,
                "max_position_embeddings": 32768,
                "num_attention_heads": 16,
                "num_hidden_layers": 28,
                "num_key_value_heads": 2,
                "kv_channels": 128,
                "rope_scaling": {
                    "type": "longrope",
                    "long_factor": factors,
                    "short_factor": factors,
                    "original_max_position_embeddings": 32768,
                },
                "vocab_size": 73448,
                "scale_emb": 12,
                "scale_depth": 1.4,
            },
            "encoder_config": local,
            "dit_config": local,
        }
    )


def listed(name: str) -> dict[str, str]:
    lines = (LISTS / name).read_text().splitlines()
    return {key: rest for key, rest in (line.split("\t", 1) for line in lines if line)}


def test_published_size_has_the_listed_tensors() -> None:
    config = published()
    with torch.device("meta"):
        network, vae = Network(config), AudioVAE(config.audio_vae_config)
    assert sum(each.numel() for each in network.parameters()) == 2_290_004_544
    assert sum(each.numel() for each in vae.parameters()) == 94_213_954
    shapes = {name: str(tuple(each.shape)) for name, each in network.state_dict().items()}
    assert len(shapes) == 577
    assert shapes == listed("voxcpm2-keys-main.txt")
    states = {name: f"{tuple(each.shape)}\t{each.dtype}" for name, each in vae.state_dict().items()}
    assert len(states) == 312
    assert states == listed("voxcpm2-keys-audiovae.txt")


def test_tokens_are_the_recorded_ones() -> None:
    tokenizer = Tokenizer.read(CHECKPOINT)
    recorded = json.loads((FIXTURE / "reference.json").read_text())["tokens"]
    assert len(recorded) == 5
    for text, expected in recorded.items():
        assert tokenizer.tokens(text) == expected["split"]
        assert tokenizer.ids(text) == expected["ids"]


def test_text_that_spells_a_special_token_is_text() -> None:
    ids = Tokenizer.read(CHECKPOINT).ids("<|audio_start|></s>")
    assert not {1, 2, 101} & set(ids)


def test_save_writes_what_load_reads(tmp_path: Path) -> None:
    model = voxcpm2.load(CHECKPOINT)
    voxcpm2.save(model, tmp_path)
    again = voxcpm2.load(tmp_path)
    for before, after in ((model.network, again.network), (model.audio_vae, again.audio_vae)):
        states = after.state_dict()
        assert all(torch.equal(each, states[name]) for name, each in before.state_dict().items())
    assert json.loads((tmp_path / "config.json").read_text()) == json.loads((CHECKPOINT / "config.json").read_text())
    assert (tmp_path / "tokenizer.json").read_bytes() == (CHECKPOINT / "tokenizer.json").read_bytes()


def test_dtype_is_chosen_and_the_vae_stays_float32(config: VoxCPM2Config) -> None:
    network = read_network(config, CHECKPOINT, torch.bfloat16, CPU)
    assert {each.dtype for each in network.parameters()} == {torch.bfloat16}
    vae = read_audio_vae(config, CHECKPOINT, CPU)
    assert {each.dtype for each in vae.parameters()} == {torch.float32}


def test_missing_surplus_and_misshapen_tensors_are_all_listed(tmp_path: Path, config: VoxCPM2Config) -> None:
    tensors = load_file(CHECKPOINT / "model.safetensors")
    del tensors["stop_head.weight"]
    tensors["extra.weight"] = torch.zeros(1)
    tensors["base_lm.norm.weight"] = torch.zeros(3)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        read_network(config, tmp_path, torch.float32, CPU)
    message = str(caught.value)
    assert "1 missing: stop_head.weight" in message
    assert "1 surplus: extra.weight" in message
    assert "base_lm.norm.weight (3,) instead of (64,)" in message


def test_a_pickle_of_more_than_tensors_is_not_run(tmp_path: Path, config: VoxCPM2Config) -> None:
    torch.save({"state_dict": Path("x")}, tmp_path / "audiovae.pth")
    with pytest.raises(CheckpointError, match="more than tensors"):
        read_audio_vae(config, tmp_path, CPU)


def test_vae_may_come_as_safetensors(tmp_path: Path, config: VoxCPM2Config) -> None:
    vae = read_audio_vae(config, CHECKPOINT, CPU)
    save_file({name: each.contiguous() for name, each in vae.state_dict().items()}, tmp_path / "audiovae.safetensors")
    again = read_audio_vae(config, tmp_path, CPU)
    assert torch.equal(again.encoder.fc_mu.weight(), vae.encoder.fc_mu.weight())


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("lm_config", {"hidden_size": "wide"}, "lm_config.hidden_size"),
        ("patch_size", 0, "patch_size"),
        ("feat_dim", 9, "latent_dim"),
        ("architecture", "voxcpm", "architecture"),
    ],
)
def test_bad_fields_are_named(tmp_path: Path, field: str, value: object, named: str) -> None:
    fields = json.loads((CHECKPOINT / "config.json").read_text())
    fields[field] = {**fields[field], **value} if isinstance(value, dict) else value
    (tmp_path / "config.json").write_text(json.dumps(fields))
    with pytest.raises(ConfigError, match=named):
        read_config(tmp_path / "config.json")


def test_unknown_fields_are_kept(tmp_path: Path) -> None:
    shutil.copytree(CHECKPOINT, tmp_path / "a")
    fields = json.loads((CHECKPOINT / "config.json").read_text())
    fields["lm_config"]["novelty"] = [1, 2]
    (tmp_path / "a" / "config.json").write_text(json.dumps(fields))
    voxcpm2.load(tmp_path / "a").save(tmp_path / "b")
    assert json.loads((tmp_path / "b" / "config.json").read_text())["lm_config"]["novelty"] == [1, 2]


def test_a_folder_that_is_none_or_lacks_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        voxcpm2.load(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"config\.json: no such file"):
        voxcpm2.load(tmp_path)
    shutil.copy(CHECKPOINT / "config.json", tmp_path)
    with pytest.raises(TokenizerError, match=r"tokenizer\.json: no such file"):
        voxcpm2.load(tmp_path)


def test_rope_tables_follow_the_weights_unless_told(config: VoxCPM2Config) -> None:
    tables = RopeTables(config.text_lm)
    exact, _ = tables(8, CPU, torch.float32)
    rounded, _ = tables(8, CPU, torch.bfloat16)
    assert torch.equal(rounded, exact.bfloat16())
    tables.full_precision = True
    assert torch.equal(tables(8, CPU, torch.bfloat16)[0], exact)


def test_mup_scales_embeddings_and_branches(config: VoxCPM2Config) -> None:
    fields = config.model_dump()
    fields["lm_config"]["use_mup"] = True
    scaled = VoxCPM2Config.model_validate(fields)
    assert scaled.text_lm.residual_scale == pytest.approx(1.4 / 2**0.5)
    plain, mup = (read_network(each, CHECKPOINT, torch.float32, CPU) for each in (config, scaled))
    text = torch.tensor([[5, 6]])
    seen: list[torch.Tensor] = []
    for network in (plain, mup):
        network.base_lm.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
        blank = torch.zeros(1, 2, config.patch_size, config.feat_dim)
        network(text, torch.ones_like(text), blank, torch.zeros_like(text))
    assert torch.allclose(seen[1], 12 * seen[0])
