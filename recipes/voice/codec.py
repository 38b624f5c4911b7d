"""Train the AudioVAE of voxcpm2-micro on random crops of the bank, by spectra alone: no discriminator.

Losses: log magnitudes and spectral convergence at several resolutions, log-mel, and a light KL on the latents.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.voxcpm2.audio_vae import AudioVAE, CausalConv, RateCondition, ResidualUnit, Snake
from model.voxcpm2.config import AudioVaeConfig
from model.voxcpm2.vae_streaming import StreamState
from recipes.bank import Bank
from recipes.loop import Muon, RecipeTrainer, Training
from recipes.state import load_state, save_state
from recipes.voice.clock import Clock, TrainingLog
from recipes.voice.workers import agreed, average_gradients, rank_count

LEARNING_RATE, MATRIX_RATE = 2e-3, 5e-3
WARMUP_STEPS = 60
AVERAGE = 0.998
CROP_SECONDS = 1.0
CROPS = 4
WEIGHTS = {"kl": 0.0002, "letters": 0.3, "voice": 0.5, "features": 2.0}
WINDOWS = (256, 512, 1024, 2048)
MELS = {512: 40, 1024: 80}
SAVE_EVERY_SECONDS = 30.0
REPORT_EVERY_STEPS = 100
# Below this no magnitude is told from silence; speech at the studio's level has magnitudes up to about 50.
_FLOOR = 0.03


class _SnakeFunction(torch.autograd.Function):
    """x + sin(alpha x)^2 / alpha with few passes over memory, which is most of the cost of a narrow AudioVAE."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: Tensor) -> Tensor:
        ctx.save_for_backward(x, alpha)
        return torch.mul(x, alpha).sin_().square_().mul_((alpha + 1e-9).reciprocal()).add_(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        x, alpha = ctx.saved_tensors
        (gradient,) = gradients
        twice = torch.mul(x, 2 * alpha)
        rest = twice.cos().neg_().add_(1).mul_(gradient).sum((0, 2))  # (1 - cos 2ax) of dy/da
        slope = twice.sin_().mul_(gradient)
        by_alpha = (slope * x).sum((0, 2)) / alpha.flatten() - rest / (2 * alpha.flatten().square())
        return slope.add_(gradient), by_alpha.view_as(alpha)


class _TrainedSnake(Snake):
    """The same layer, faster to train."""

    def forward(self, x: Tensor, state: StreamState) -> Tensor:
        del state
        return _SnakeFunction.apply(x, self.alpha)


class CodecTrainer(RecipeTrainer[AudioVAE]):
    """The AudioVAE, its average, the optimizer and where the training stands."""

    def __init__(self, config: AudioVaeConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        torch.manual_seed(seed)
        self.vae = AudioVAE(config)
        _initialise(self.vae)
        for module in self.vae.modules():
            if isinstance(module, Snake):
                module.__class__ = _TrainedSnake
        matrices = [each for each in self.vae.parameters() if each.ndim == 3 and each.shape[1] > 1 and len(each) > 1]
        chosen = {id(each) for each in matrices}
        others = [each for each in self.vae.parameters() if id(each) not in chosen]
        adam = torch.optim.AdamW(others, LEARNING_RATE, betas=(0.8, 0.98), weight_decay=0.0, fused=True)
        optimizers = {"muon": Muon(matrices, MATRIX_RATE), "adam": adam}
        self.training = Training(self.vae, optimizers, WARMUP_STEPS, AVERAGE, clip=5.0)
        self.elapsed = 0.0

    def update(self, audio: Tensor, progress: float) -> dict[str, float]:
        """One step on `audio` (B, T) at `sample_rate`; `progress` 0 to 1 sets the learning rate."""
        self.seed_step()
        return self.descend(codec_losses(self.vae, audio), progress)

    def seed_step(self) -> None:
        """Noise of a step is a function of seed, step and process."""
        rank, ranks = rank_count()
        torch.manual_seed(self.seed * 1_000_003 + self.step * ranks + rank)

    def descend(self, parts: dict[str, Tensor], progress: float) -> dict[str, float]:
        """One step down the weighted sum of the losses."""
        total = torch.stack([WEIGHTS.get(name, 1.0) * value for name, value in parts.items()]).sum()
        self.training.descend(total, progress, average_gradients)
        return {name: float(value.detach()) for name, value in parts.items()}


def codec_losses(vae: AudioVAE, audio: Tensor) -> dict[str, Tensor]:
    """Losses of passing `audio` (B, T) through sampled latents; every one is a mean."""
    hidden = vae.hidden(audio[:, None])
    mean = vae.encoder.fc_mu(hidden, StreamState())
    log_variance = vae.encoder.fc_logvar(hidden, StreamState()).clamp(-8, 2)
    latents = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
    heard = vae.decode(latents)[:, 0]
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    return {**spectral_losses(heard, audio[:, : heard.shape[1]]), "kl": kl}


def spectral_losses(heard: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    """Distance of the spectra of two batches (B, T): log magnitude, spectral convergence, log mel."""
    logs, convergences, mels = [], [], []
    for size in WINDOWS:
        mine, theirs = magnitudes(heard, size), magnitudes(wanted, size)
        logs.append(F.l1_loss((mine + _FLOOR).log(), (theirs + _FLOOR).log()))
        convergences.append((mine - theirs).norm() / theirs.norm().clamp(min=1e-3))
        if size in MELS:
            bands = mel_bands(size, MELS[size])
            mels.append(F.l1_loss((bands @ mine + _FLOOR).log(), (bands @ theirs + _FLOOR).log()))
    return {
        "spectrum": torch.stack(logs).mean(),
        "convergence": torch.stack(convergences).mean(),
        "mel": torch.stack(mels).mean(),
    }


def magnitudes(audio: Tensor, size: int) -> Tensor:
    """(B, T) to magnitudes (B, size // 2 + 1, frames), hop a quarter of the window."""
    window = torch.hann_window(size)
    spectrum = torch.view_as_real(torch.stft(audio, size, size // 4, window=window, return_complex=True))
    return spectrum.square().sum(-1).add(1e-9).sqrt() * (32 / size) ** 0.5


@cache
def mel_bands(size: int, count: int) -> Tensor:
    """(count, size // 2 + 1) triangles for 16 kHz, each summing to one."""
    from torchaudio.functional import melscale_fbanks

    bands = melscale_fbanks(size // 2 + 1, 0.0, 8000.0, count, 16_000).T
    return bands / bands.sum(1, keepdim=True).clamp(min=1e-6)


def crops(bank: Bank, seed: int, step: int, samples: int, count: int = CROPS) -> Tensor:
    """`count` random pieces (count, samples) of the bank, at random levels; a function of seed, step and process."""
    rng = np.random.default_rng([seed, step, rank_count()[0]])
    out = np.zeros((count, samples), np.float32)
    for row in out:
        audio = _audio(bank, int(rng.integers(len(bank))))
        begin = int(rng.integers(max(len(audio) - samples, 0) + 1))
        piece = audio[begin : begin + samples]
        row[: len(piece)] = piece * rng.uniform(0.5, 1.3)
    return torch.from_numpy(out)


def train_codec(
    rank: int, bank: Path, config: AudioVaeConfig, path: Path, minutes: float, seed: int, steps: int | None = None
) -> None:
    """Train for `minutes` of active time (or `steps`), the state in `path`; to be called by `run_workers`."""
    spoken = Bank(bank)
    trainer = CodecTrainer(config, seed)
    if saved := load_state(path):
        trainer.load(saved)
    samples = round(CROP_SECONDS * config.sample_rate) // config.encoder_hop * config.encoder_hop
    clock = Clock(minutes, trainer.elapsed, steps)

    def update(step: int, progress: float) -> dict[str, float]:
        return trainer.update(crops(spoken, seed, step, samples), progress)

    run_steps(rank, trainer, path, clock, "AudioVAE", update)


def run_steps(
    rank: int,
    trainer: CodecTrainer,
    path: Path,
    clock: Clock,
    name: str,
    update: Callable[[int, float], dict[str, float]],
) -> None:
    """Call `update(step, progress)` until the clock has run out, saving now and then."""
    log = TrainingLog(path.with_suffix(".log"), quiet=rank > 0)
    saved_at = trainer.elapsed
    with clock.bar(name, visible=rank == 0) as advance:
        while (progress := agreed(clock.progress(trainer.step))) < 1:
            log.add(update(trainer.step, progress))
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
def normalised(vae: AudioVAE, bank: Bank, utterances: int = 200) -> AudioVAE:
    """The same AudioVAE with latents of mean 0 and variance 1 a channel, folded into the weights; in evaluation mode.

    The decoder's first layer takes the inverse: exact but for the first six frames, where its padding stood for a
    latent of zero and now stands for the mean.
    """
    picked = range(0, len(bank), max(len(bank) // utterances, 1))
    latents = torch.cat([vae.encode(torch.from_numpy(bank[i][0])[None, None])[0] for i in picked], dim=1)
    mean, scale = latents.mean(1), latents.std(1)
    entry, first = vae.encoder.fc_mu, vae.decoder.model[0]
    assert isinstance(first, CausalConv)
    entry.bias.copy_((entry.bias - mean) / scale)
    entry.weight_g.div_(scale[:, None, None])
    first.bias.add_(first.weight().sum((1, 2)) * mean)
    first.weight_g.mul_(scale[:, None, None])
    return vae.requires_grad_(False).eval()


def _audio(bank: Bank, index: int) -> NDArray[np.float32]:
    return bank[index][0]


@torch.no_grad()
def _initialise(vae: AudioVAE) -> None:
    """Gains at which a signal at the studio's level passes all layers at about unit variance."""
    for module in vae.modules():
        if isinstance(module, RateCondition):
            module.scale_embed.weight.fill_(1.0)
            module.bias_embed.weight.zero_()
        elif isinstance(module, ResidualUnit):
            last = module.block[-1]
            assert isinstance(last, CausalConv)
            last.weight_g.fill_(0.5)
    entry, exit_ = vae.encoder.block[0], vae.decoder.model[-1]
    assert isinstance(entry, CausalConv)
    assert isinstance(exit_, CausalConv)
    entry.weight_g.fill_(8.0)
    exit_.weight_g.fill_(0.05)
    vae.encoder.fc_mu.weight_g.fill_(0.5)
    vae.encoder.fc_logvar.weight_g.fill_(0.1)
    vae.encoder.fc_logvar.bias.fill_(-3.0)
