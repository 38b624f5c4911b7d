"""How large voxcpm2-micro is: the config.json that its trainers, its export and `load` share."""

from __future__ import annotations

from typing import Any

from model.voxcpm2.config import VoxCPM2Config

DIALECTS = ("cmn", "yue", "cmn-sichuan")
SAMPLE_RATE = 16_000
LATENT_DIM = 16
PATCH_FRAMES = 4


def micro_config(vocabulary: int, **changes: Any) -> VoxCPM2Config:
    """The architecture of VoxCPM2 in small; `changes` replace whole top-level fields."""
    fields: dict[str, Any] = {
        "architecture": "voxcpm2",
        "lm_config": {
            "bos_token_id": 1,
            "eos_token_id": 2,
            "hidden_size": 256,
            "intermediate_size": 704,
            "max_position_embeddings": 4096,
            "num_attention_heads": 4,
            "num_hidden_layers": 6,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000,
            "kv_channels": 64,
            "vocab_size": vocabulary,
            "use_mup": False,
        },
        "patch_size": PATCH_FRAMES,
        "feat_dim": LATENT_DIM,
        "scalar_quantization_latent_dim": 128,
        "scalar_quantization_scale": 9,
        "residual_lm_num_layers": 2,
        "residual_lm_no_rope": True,
        "encoder_config": {"hidden_dim": 128, "ffn_dim": 384, "num_heads": 4, "num_layers": 2, "kv_channels": 32},
        "dit_config": {
            "hidden_dim": 192,
            "ffn_dim": 576,
            "num_heads": 4,
            "num_layers": 4,
            "kv_channels": 48,
            "mean_mode": False,
            "cfm_config": {
                "sigma_min": 1e-6,
                "solver": "euler",
                "t_scheduler": "log-norm",
                "training_cfg_rate": 0.1,
                "inference_cfg_rate": 2.0,
            },
        },
        "audio_vae_config": {
            "encoder_dim": 8,
            "encoder_rates": [4, 4, 5, 8],
            "latent_dim": LATENT_DIM,
            "decoder_dim": 256,
            "decoder_rates": [8, 5, 4, 4],
            "sr_bin_boundaries": [20000, 30000, 40000],
            "sample_rate": SAMPLE_RATE,
            "out_sample_rate": SAMPLE_RATE,
        },
        "max_length": 4096,
        "device": "cpu",
        "dtype": "float32",
    }
    return VoxCPM2Config.model_validate({**fields, **changes})
