"""Train the network of voxcpm2-micro on the latents of the bank: Muon for matrices, AdamW for the rest, an average."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from model.voxcpm2.config import VoxCPM2Config
from model.voxcpm2.network import Network
from recipes.bank import Bank
from recipes.loop import LEAST_SHARE, Muon, RecipeTrainer, Training
from recipes.state import load_state, save_state
from recipes.syllables import PartTable, syllable_classes
from recipes.voice.batches import Sequences, SequenceSource
from recipes.voice.clock import Clock, TrainingLog
from recipes.voice.latents import Latents
from recipes.voice.losses import Hints, voice_losses, weighted
from recipes.voice.tokens import build_tokenizer
from recipes.voice.workers import agreed, average_gradients, rank_count

LEARNING_RATE, MATRIX_RATE = 2e-3, 1.5e-2
WARMUP_STEPS = 100
AVERAGE = 0.998
BATCH = 16
SAVE_EVERY_SECONDS = 120.0
REPORT_EVERY_STEPS = 50


class NetworkTrainer(RecipeTrainer[Network]):
    """The network, its average, the readers of hints, the optimizers and where the training stands."""

    def __init__(self, config: VoxCPM2Config, parts: PartTable, voices: int, seed: int) -> None:
        self.config, self.seed = config, seed
        torch.manual_seed(seed)
        self.network = Network(config)
        _initialise(self.network)
        self.hints = Hints(config, parts.sizes, voices)
        matrices, others = [], []
        for name, parameter in self.network.named_parameters():
            (matrices if ".layers." in name and parameter.ndim == 2 else others).append(parameter)
        others += list(self.hints.parameters())
        decayed = [each for each in others if each.ndim > 1]
        plain = [each for each in others if each.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}]
        optimizers = {
            "muon": Muon(matrices, MATRIX_RATE, weight_decay=0.02),
            "adam": torch.optim.AdamW(groups, LEARNING_RATE, betas=(0.9, 0.98), fused=True),
        }
        trained = matrices + others
        self.training = Training(self.network, optimizers, WARMUP_STEPS, AVERAGE, share=_falling_share, trained=trained)
        self.elapsed = 0.0

    def update(self, batch: Sequences, progress: float) -> dict[str, float]:
        """One step of the optimizers; returns the losses. `progress` 0 to 1 sets rates and weights."""
        rank, ranks = rank_count()
        torch.manual_seed(self.seed * 1_000_003 + self.step * ranks + rank)
        self.network.train()
        # The fused attention of CPUs takes ten times as long in the backward pass of such short sequences.
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            parts = voice_losses(self.network, self.hints, batch)
            total = weighted(parts, progress)
            self.training.descend(total, progress, average_gradients)
        return {name: float(value.detach()) for name, value in parts.items()}

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training, and the export, need."""
        return super().state() | {"hints": self.hints.state_dict()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        super().load(state)
        self.hints.load_state_dict(state["hints"])


def _falling_share(progress: float) -> float:
    """Share of the peak rate: it stays, then falls in a straight line."""
    return LEAST_SHARE + (1 - LEAST_SHARE) * min(1.0, 1.6 * (1 - progress))


def train_network(
    rank: int,
    bank: Path,
    latents: Path,
    config: VoxCPM2Config,
    path: Path,
    minutes: float,
    seed: int,
    steps: int | None = None,
    batch: int = BATCH,
) -> None:
    """Train for `minutes` of active time (or `steps`), the state in `path`; to be called by `run_workers`."""
    syllables = syllable_classes()
    ranks = rank_count()[1]
    source = SequenceSource(Bank(bank), Latents.read(latents), build_tokenizer(), syllables, seed)
    trainer = NetworkTrainer(config, source.parts, len(source.voices), seed)
    if saved := load_state(path):
        trainer.load(saved)
    clock = Clock(minutes, trainer.elapsed, steps)
    log = TrainingLog(path.with_suffix(".log"), quiet=rank > 0)
    saved_at = trainer.elapsed
    with clock.bar("network", visible=rank == 0) as advance:
        while (progress := agreed(clock.progress(trainer.step))) < 1:
            log.add(trainer.update(source.batch(trainer.step * ranks + rank, batch), progress))
            trainer.elapsed = clock.tick()
            advance(progress)
            if trainer.step % REPORT_EVERY_STEPS == 0:
                log.write(trainer.step, progress, trainer.elapsed)
            if rank == 0 and trainer.elapsed - saved_at > SAVE_EVERY_SECONDS:
                save_state(path, trainer.state())
                saved_at = trainer.elapsed
    if rank == 0:
        save_state(path, trainer.state())


@torch.no_grad()
def _initialise(network: Network) -> None:
    """Small residual branches at first, and a velocity of zero."""
    for name, parameter in network.named_parameters():
        if parameter.ndim == 2 and ".layers." in name:
            nn.init.orthogonal_(parameter, 0.3 if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0)
    network.base_lm.embed_tokens.weight.normal_(std=1.0)
    network.feat_encoder.special_token.normal_(std=0.5)
    estimator = network.feat_decoder.estimator
    estimator.out_proj.weight.zero_()
    estimator.out_proj.bias.zero_()
