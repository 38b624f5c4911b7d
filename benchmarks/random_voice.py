"""VoxCPM2 models of a given size with random weights: they say nothing, but cost what a voice of that size costs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from model.voxcpm2 import VoxCPM2
from model.voxcpm2.audio_vae import AudioVAE, RateCondition, Snake
from model.voxcpm2.config import VoxCPM2Config, read_config
from model.voxcpm2.network import Network
from model.voxcpm2.tokenizer import Tokenizer

_AUDIO_MARKS = ("<|audio_start|>", "<|audio_end|>", "<|audio_prompt_start|>", "<|audio_prompt_end|>")
_FIRST_MARK = 101
# What the benchmark says; its characters are the vocabulary.
SENTENCE = "今天天气很好，我们一起去公园散步，晚上回来吃饭。"


def configuration(name: str) -> VoxCPM2Config:
    """`true-size`, `60m`, or the path of a config.json. Raises ConfigError."""
    if name == "true-size":
        return VoxCPM2Config.model_validate(_scaled(2048, 1024, (28, 8, 12, 12), heads=16, latent=64, vae=(128, 2048)))
    if name == "60m":
        # A quarter of the published width and three sevenths of its depth, everywhere; the vocabulary is the bench's.
        return VoxCPM2Config.model_validate(_scaled(512, 256, (12, 3, 5, 5), heads=8, latent=64, vae=(32, 512)))
    path = Path(name)
    return read_config(path / "config.json" if path.is_dir() else path)


def _scaled(
    width: int, local: int, layers: tuple[int, int, int, int], *, heads: int, latent: int, vae: tuple[int, int]
) -> dict[str, Any]:
    """The published configuration at another width and depth (text LM, residual LM, local encoder, local decoder)."""
    head_dim = width // heads
    # The published divisors differ from 1; no speed depends on them.
    factors = [1.0] * (head_dim // 2)
    narrow = {"hidden_dim": local, "ffn_dim": 4 * local, "num_heads": heads, "kv_channels": head_dim}
    return {
        "architecture": "voxcpm2",
        "lm_config": {
            "bos_token_id": 1,
            "eos_token_id": 2,
            "hidden_size": width,
            "intermediate_size": 3 * width,
            "max_position_embeddings": 32768,
            "num_attention_heads": heads,
            "num_hidden_layers": layers[0],
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000,
            "kv_channels": head_dim,
            "rope_scaling": {
                "type": "longrope",
                "long_factor": factors,
                "short_factor": factors,
                "original_max_position_embeddings": 32768,
            },
            "vocab_size": 73448 if width == 2048 else 512,
            "use_mup": False,
            "scale_emb": 12,
            "dim_model_base": 256,
            "scale_depth": 1.4,
        },
        "patch_size": 4,
        "feat_dim": latent,
        "scalar_quantization_latent_dim": width // 4,
        "scalar_quantization_scale": 9,
        "residual_lm_num_layers": layers[1],
        "residual_lm_no_rope": True,
        "encoder_config": {**narrow, "num_layers": layers[2]},
        "dit_config": {**narrow, "num_layers": layers[3], "cfm_config": {"sigma_min": 1e-6, "inference_cfg_rate": 2.0}},
        "audio_vae_config": {
            "encoder_dim": vae[0],
            "encoder_rates": [2, 5, 8, 8],
            "latent_dim": latent,
            "decoder_dim": vae[1],
            "decoder_rates": [8, 6, 5, 2, 2, 2],
            "sr_bin_boundaries": [20000, 30000, 40000],
            "sample_rate": 16000,
            "out_sample_rate": 48000,
        },
        "max_length": 8192,
        "device": "cuda",
        "dtype": "float32",
    }


@torch.no_grad()
def random_voice(config: VoxCPM2Config, device: torch.device, dtype: torch.dtype, seed: int = 0) -> VoxCPM2:
    """A model of this configuration whose layers neither grow nor shrink what passes through them."""
    kind = str(dtype).removeprefix("torch.")
    config = config.model_copy(update={"dtype": kind, "device": device.type})
    generator = torch.Generator(device).manual_seed(seed)
    with torch.device("meta"):
        network, vae = Network(config).to(dtype), AudioVAE(config.audio_vae_config)
    for part in (network, vae):
        part.to_empty(device=device)
        for module in part.modules():
            _fill(module, generator)
    vae.decoder.sr_bin_boundaries.copy_(torch.tensor(config.audio_vae_config.sr_bin_boundaries))
    network.requires_grad_(False).eval()
    return VoxCPM2(config, network, vae.requires_grad_(False).eval().fold(), tokenizer())


def _fill(module: nn.Module, generator: torch.Generator) -> None:
    """Own parameters of one module; what is not a matrix starts at its neutral value."""
    for name, parameter in module.named_parameters(recurse=False):
        if isinstance(module, nn.Linear | nn.Embedding | RateCondition) and parameter.ndim == 2:
            fan = parameter.shape[1] if isinstance(module, nn.Linear) else parameter.shape[1] ** 0
            parameter.normal_(std=1 / math.sqrt(fan), generator=generator)
        elif name in ("weight_v", "special_token"):
            parameter.normal_(generator=generator)
        elif name == "bias":
            parameter.zero_()
        else:
            parameter.fill_(1.0)
    if isinstance(module, Snake):
        module.alpha.uniform_(0.5, 1.5, generator=generator)


def tokenizer() -> Tokenizer:
    """A byte-fallback BPE of the published kind over the characters of SENTENCE."""
    names = ["<unk>", "<s>", "</s>", *(f"<extra_{each}>" for each in range(3, _FIRST_MARK)), *_AUDIO_MARKS]
    names += [f"<0x{byte:02X}>" for byte in range(256)]
    names += ["\u2581", *dict.fromkeys(SENTENCE)]
    special = ("<unk>", "<s>", "</s>", *_AUDIO_MARKS)
    added = [
        {
            "id": names.index(name),
            "content": name,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for name in special
    ]
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "\u2581"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {name: index for index, name in enumerate(names)},
            "merges": [],
        },
    }
    ends = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return Tokenizer(
        {
            "tokenizer.json": json.dumps(content, ensure_ascii=False).encode(),
            "tokenizer_config.json": json.dumps({"tokenizer_class": "LlamaTokenizerFast", **ends}).encode(),
            "special_tokens_map.json": json.dumps(ends).encode(),
        }
    )
