"""What a fine-tuning run is told: every knob with its default, checked before anything is loaded. No PyTorch here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]

LORA_RATE, FULL_RATE = 1e-4, 1e-5
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
PROJECTIONS = ("enc_to_lm_proj", "lm_to_dit_proj", "res_to_dit_proj")


class LoraConfig(BaseModel):
    """The `lora_config` of the published layout: which linear layers get an adapter of which rank."""

    model_config = ConfigDict(extra="forbid")

    enable_lm: bool = True
    enable_dit: bool = True
    enable_proj: bool = False
    r: Positive = 32
    alpha: Annotated[float, Field(gt=0)] = 32
    dropout: Share = 0.0
    target_modules_lm: list[str] = list(ATTENTION)
    target_modules_dit: list[str] = list(ATTENTION)
    target_proj_modules: list[str] = list(PROJECTIONS)


class FineTuneConfig(BaseModel):
    """One run. A step reads `accumulate` packs of at most `batch_tokens` positions, over all processes together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["lora", "full"] = "lora"
    steps: Positive = 1000
    learning_rate: Annotated[float | None, Field(gt=0, description="None: 1e-4 for LoRA, 1e-5 in full")] = None
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup: Annotated[int, Field(ge=0, description="steps until the learning rate is reached")] = 100
    clip: Annotated[float, Field(ge=0, description="largest gradient norm; 0: no clipping")] = 1.0
    ema: Annotated[float, Field(ge=0, lt=1, description="decay of averaged weights, which are kept; 0: none")] = 0.0

    rank: Positive = 32
    alpha: Annotated[float, Field(gt=0)] = 32
    dropout: Share = 0.0
    enable_lm: bool = True
    enable_dit: bool = True
    enable_proj: bool = False

    batch_tokens: Annotated[int, Field(gt=0, description="most positions of a pack, padding included")] = 8192
    batch_samples: Annotated[int, Field(gt=0, description="most clips of a pack")] = 2
    accumulate: Annotated[int, Field(gt=0, description="packs a step, over all processes together")] = 8
    reference_share: Annotated[float, Field(ge=0, le=1, description="of the clips that have a ref_audio")] = 0.4
    max_seconds: Annotated[float, Field(gt=0, description="a longer clip is bad data")] = 60.0
    skip_bad: Annotated[bool, Field(description="go on without bad lines instead of refusing")] = False

    precision: Literal["auto", "bf16-mixed", "32-true"] = "auto"
    gradient_checkpointing: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    strategy: Literal["ddp", "fsdp"] = "ddp"
    seed: int = 42

    eval_every: Positive = 100
    save_every: Positive = 100
    keep: Annotated[int, Field(gt=0, description="last checkpoints kept, the best one beside them")] = 2
    patience: Annotated[int, Field(ge=0, description="evaluations without a better one until it stops; 0: never")] = 5
    export: Annotated[Literal["best", "last"], Field(description="weights by validation loss, or of the last step")] = (
        "best"
    )

    @property
    def rate(self) -> float:
        """Peak learning rate."""
        return self.learning_rate or (LORA_RATE if self.kind == "lora" else FULL_RATE)

    @property
    def lora(self) -> LoraConfig:
        return LoraConfig(
            r=self.rank,
            alpha=self.alpha,
            dropout=self.dropout,
            enable_lm=self.enable_lm,
            enable_dit=self.enable_dit,
            enable_proj=self.enable_proj,
        )

    def settled(self) -> dict[str, Any]:
        """What decides the weights that come out; a run can only go on with the same."""
        free = {"keep", "device", "strategy", "save_every"}
        return {**self.model_dump(exclude=free), "learning_rate": self.rate}
