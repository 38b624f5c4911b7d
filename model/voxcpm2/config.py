"""The fields of a VoxCPM2 directory's config.json: typed, defaults filled in, unknown fields kept, bad ones named."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Count = Annotated[int, Field(gt=0)]


class ConfigError(ValueError):
    """config.json is missing, is no JSON, or has fields that cannot be; the message names each."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="allow", protected_namespaces=())


class RopeScaling(_Section):
    """LongRoPE: one divisor per rotated pair, for contexts beyond the original length and within it."""

    type: Literal["longrope"] = "longrope"
    long_factor: list[float]
    short_factor: list[float]
    original_max_position_embeddings: Count


class LmConfig(_Section):
    """The text-semantic language model; the local encoder and decoder inherit what they do not set themselves."""

    bos_token_id: int = 1
    eos_token_id: int = 2
    hidden_size: Count
    intermediate_size: Count
    max_position_embeddings: Count = 32768
    num_attention_heads: Count
    num_hidden_layers: Count
    num_key_value_heads: Count
    rms_norm_eps: Annotated[float, Field(gt=0)] = 1e-5
    rope_theta: Annotated[float, Field(gt=0)] = 10000.0
    kv_channels: Count | None = None
    rope_scaling: RopeScaling | None = None
    vocab_size: Annotated[int, Field(gt=104, description="ids 101 to 104 mark audio")]
    use_mup: bool = False
    scale_emb: float = 1.0
    dim_model_base: int = 256
    scale_depth: float = 1.0

    @model_validator(mode="after")
    def _heads_fit(self) -> LmConfig:
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError("num_attention_heads must be a multiple of num_key_value_heads")
        return self


class LocalConfig(_Section):
    """Width and depth of a local transformer: the encoder of a patch, or its decoder."""

    hidden_dim: Count
    ffn_dim: Count
    num_heads: Count
    num_layers: Count
    kv_channels: Count | None = None


class FlowMatchingConfig(_Section):
    """Only `training_cfg_rate` is used; the rest is what the published file says of its solver."""

    sigma_min: float = 1e-6
    solver: Literal["euler"] = "euler"
    t_scheduler: str = "log-norm"
    training_cfg_rate: Annotated[float, Field(ge=0, le=1)] = 0.1
    inference_cfg_rate: float = 2.0


class DitConfig(LocalConfig):
    """The local diffusion transformer. `mean_mode` of the published file is ignored, as its authors' program does."""

    mean_mode: bool = False
    dit_mean_mode: Literal[False] = False
    cfm_config: FlowMatchingConfig = FlowMatchingConfig()


class AudioVaeConfig(_Section):
    """Rates in Hz, strides per block from the waveform inwards (encoder) and outwards (decoder)."""

    encoder_dim: Count = 128
    encoder_rates: list[Count] = [2, 5, 8, 8]
    latent_dim: Count = 64
    decoder_dim: Count = 2048
    decoder_rates: list[Count] = [8, 6, 5, 2, 2, 2]
    sr_bin_boundaries: list[int] = [20000, 30000, 40000]
    sample_rate: Count = 16000
    out_sample_rate: Count = 48000
    depthwise: Literal[True] = True
    use_noise_block: Literal[False] = False
    cond_type: Literal["scale_bias"] = "scale_bias"
    cond_out_layer: Literal[False] = False

    @property
    def encoder_hop(self) -> int:
        """Input samples per latent frame."""
        return math.prod(self.encoder_rates)

    @property
    def decoder_hop(self) -> int:
        """Output samples per latent frame."""
        return math.prod(self.decoder_rates)

    @model_validator(mode="after")
    def _same_frame_rate(self) -> AudioVaeConfig:
        if self.sample_rate * self.decoder_hop != self.out_sample_rate * self.encoder_hop:
            raise ValueError(
                f"encoder_rates give {self.sample_rate / self.encoder_hop:g} latent frames a second and decoder_rates "
                f"{self.out_sample_rate / self.decoder_hop:g}; they must agree"
            )
        if self.decoder_dim % 2 ** len(self.decoder_rates):
            raise ValueError("decoder_dim must halve evenly once per entry of decoder_rates")
        return self


@dataclass(frozen=True)
class StackConfig:
    """One transformer stack, whoever it belongs to. `residual_scale` is muP's, 1.0 without it."""

    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    head_dim: int
    layers: int
    eps: float
    causal: bool
    rope: bool
    rope_theta: float
    rope_scaling: RopeScaling | None
    max_positions: int
    residual_scale: float


class VoxCPM2Config(_Section):
    """The whole config.json. `feat_dim` latent channels, `patch_size` latent frames per autoregressive step."""

    architecture: Literal["voxcpm2"] = "voxcpm2"
    lm_config: LmConfig
    patch_size: Count = 4
    feat_dim: Count = 64
    scalar_quantization_latent_dim: Count = 512
    scalar_quantization_scale: Count = 9
    residual_lm_num_layers: Count = 8
    residual_lm_no_rope: bool = True
    encoder_config: LocalConfig
    dit_config: DitConfig
    audio_vae_config: AudioVaeConfig = AudioVaeConfig()
    max_length: Count = 8192
    device: str = "cuda"
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"

    @model_validator(mode="after")
    def _parts_fit(self) -> VoxCPM2Config:
        lm = self.lm_config
        if self.audio_vae_config.latent_dim != self.feat_dim:
            raise ValueError(
                f"feat_dim is {self.feat_dim} but audio_vae_config.latent_dim {self.audio_vae_config.latent_dim}"
            )
        if self.dit_config.hidden_dim % 2:
            raise ValueError("dit_config.hidden_dim must be even: half of the time embedding are sines")
        for name, heads in (
            ("encoder_config", self.encoder_config.num_heads),
            ("dit_config", self.dit_config.num_heads),
        ):
            if heads % lm.num_key_value_heads:
                raise ValueError(f"{name}.num_heads must be a multiple of lm_config.num_key_value_heads")
        for name, stack in (("lm_config", self.text_lm), ("encoder_config", self.encoder), ("dit_config", self.dit)):
            pairs = stack.head_dim // 2
            for factors in ("short_factor", "long_factor"):
                if lm.rope_scaling and len(getattr(lm.rope_scaling, factors)) != pairs:
                    raise ValueError(f"lm_config.rope_scaling.{factors} must have {pairs} entries for {name}")
        return self

    @property
    def text_lm(self) -> StackConfig:
        lm = self.lm_config
        return self._stack(
            lm.hidden_size,
            lm.intermediate_size,
            lm.num_attention_heads,
            lm.num_hidden_layers,
            lm.kv_channels,
            causal=True,
        )

    @property
    def residual_lm(self) -> StackConfig:
        lm = self.lm_config
        return self._stack(
            lm.hidden_size,
            lm.intermediate_size,
            lm.num_attention_heads,
            self.residual_lm_num_layers,
            lm.kv_channels,
            causal=True,
            rope=not self.residual_lm_no_rope,
        )

    @property
    def encoder(self) -> StackConfig:
        return self._local(self.encoder_config)

    @property
    def dit(self) -> StackConfig:
        return self._local(self.dit_config)

    @property
    def samples_per_patch(self) -> int:
        """Output samples per autoregressive step."""
        return self.patch_size * self.audio_vae_config.decoder_hop

    @property
    def patch_seconds(self) -> float:
        return self.samples_per_patch / self.audio_vae_config.out_sample_rate

    def _local(self, local: LocalConfig) -> StackConfig:
        return self._stack(
            local.hidden_dim,
            local.ffn_dim,
            local.num_heads,
            local.num_layers,
            local.kv_channels or self.lm_config.kv_channels,
            causal=False,
        )

    def _stack(
        self,
        hidden: int,
        ffn: int,
        heads: int,
        layers: int,
        head_dim: int | None,
        *,
        causal: bool,
        rope: bool = True,
    ) -> StackConfig:
        lm = self.lm_config
        return StackConfig(
            hidden=hidden,
            ffn=ffn,
            heads=heads,
            kv_heads=lm.num_key_value_heads,
            head_dim=head_dim or hidden // heads,
            layers=layers,
            eps=lm.rms_norm_eps,
            causal=causal,
            rope=rope,
            rope_theta=lm.rope_theta,
            rope_scaling=lm.rope_scaling,
            max_positions=lm.max_position_embeddings,
            residual_scale=lm.scale_depth / math.sqrt(layers) if lm.use_mup else 1.0,
        )


def read_config(path: Path) -> VoxCPM2Config:
    """Parse the config.json at `path`. Raises ConfigError that names every bad field."""
    try:
        fields: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; a VoxCPM2 directory has a config.json") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not JSON: {error}") from None
    try:
        return VoxCPM2Config.model_validate(fields)
    except ValidationError as error:
        bad = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'the whole'}: {each['msg']} (found {_short(each['input'])})"
            for each in error.errors(include_url=False)
        )
        raise ConfigError(f"{path}: {bad}") from None


def write_config(config: VoxCPM2Config, path: Path) -> None:
    """Write the fields that were set, unknown ones included, in their order."""
    fields = config.model_dump(exclude_unset=True)
    path.write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
