"""Go on with the decoder of voxcpm2-micro on the latents that the network makes: the encoder stays as it is.

Besides its spectra, a copy should give aligner-micro the letters and diarization-micro the voice of the original.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.voxcpm2.config import AudioVaeConfig
from pipeline.recognition.aligner_model import load_checkpoint
from pipeline.recognition.pyannote import load_pipeline
from recipes.bank import Bank
from recipes.state import load_state
from recipes.voice.clock import Clock
from recipes.voice.codec import CROPS, CodecTrainer, run_steps, spectral_losses
from recipes.voice.latents import Latents
from recipes.voice.workers import rank_count

_CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
PATCHES = 9
# Frames whose sound depends on what lay before the piece; they are decoded but do not count.
LEAD_FRAMES = 8
# Of the batches begin where their utterances do: there the decoder has heard nothing yet, and every frame counts.
BEGINNING_SHARE = 0.4
# Of latents of variance one: a network's are not exact.
NOISE = 0.15
_ALIGNER_GAIN = 1.4  # from the studio's level to the one that the aligner is used to


class Judges:
    """Frozen networks that tell what is said and by whom, on the CPU."""

    def __init__(self) -> None:
        self.aligner = load_checkpoint(_CHECKPOINTS / "aligner-micro").requires_grad_(False)
        self.embedding = load_pipeline(str(_CHECKPOINTS / "diarization-micro"), "cpu")._embedding.model_
        self.embedding.eval().requires_grad_(False)

    def losses(self, heard: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """How two batches (B, T) differ: log-mel features, letters in nats, voices as one minus the cosine."""
        mine = self.aligner.features(heard * _ALIGNER_GAIN)
        with torch.no_grad():
            theirs = self.aligner.features(wanted * _ALIGNER_GAIN)
            letters = self.aligner(theirs).log_softmax(1)
            voice = self.embedding(wanted[:, None])
        read = self.aligner(mine).log_softmax(1)
        return {
            "features": (mine - theirs).abs().mean(),
            "letters": (letters.exp() * (letters - read)).sum(1).mean(),
            "voice": 1 - F.cosine_similarity(self.embedding(heard[:, None]), voice).mean(),
        }


def train_decoder(
    rank: int,
    bank: Path,
    latents: Path,
    codec: Path,
    config: AudioVaeConfig,
    path: Path,
    minutes: float,
    seed: int,
    steps: int | None = None,
) -> None:
    """Train from the normalised AudioVAE `codec`, the state in `path`; to be called by `run_workers`."""
    spoken, coded, judges = Bank(bank), Latents.read(latents), Judges()
    trainer = CodecTrainer(config, seed)
    if saved := load_state(path):
        trainer.load(saved)
    elif weights := load_state(codec):
        trainer.vae.load_state_dict(weights)
        trainer.average.load_state_dict(weights)

    def update(step: int, progress: float) -> dict[str, float]:
        return update_decoder(trainer, judges, decoder_crops(spoken, coded, config.decoder_hop, seed, step), progress)

    run_steps(rank, trainer, path, Clock(minutes, trainer.elapsed, steps), "decoder", update)


@dataclass(frozen=True)
class Pieces:
    """Pieces of utterances as latents (B, D, T) and audio (B, hop * T); the first `lead` frames do not count."""

    latents: Tensor
    audio: Tensor
    lead: int


def update_decoder(trainer: CodecTrainer, judges: Judges, pieces: Pieces, progress: float) -> dict[str, float]:
    """One step from latents to audio."""
    trainer.seed_step()
    noise = torch.rand(len(pieces.latents), 1, 1) * NOISE
    heard = trainer.vae.decode(pieces.latents + noise * torch.randn_like(pieces.latents))[:, 0]
    begin = pieces.lead * trainer.config.decoder_hop
    heard, wanted = heard[:, begin:], pieces.audio[:, begin:]
    return trainer.descend({**spectral_losses(heard, wanted), **judges.losses(heard, wanted)}, progress)


def decoder_crops(bank: Bank, latents: Latents, frame: int, seed: int, step: int) -> Pieces:
    """Pieces of `frame` samples a latent; a function of seed, step and process."""
    rng = np.random.default_rng([seed, step, rank_count()[0]])
    long_enough = np.flatnonzero(latents.lengths >= PATCHES)
    beginnings = rng.random() < BEGINNING_SHARE
    codes, sounds = [], []
    for index in rng.choice(long_enough, CROPS):
        patches = latents[index]
        hop = frame * patches.shape[1]
        audio = np.zeros(len(patches) * hop, np.float32)
        samples = bank[int(index)][0]
        audio[: len(samples)] = samples
        begin = 0 if beginnings else int(rng.integers(len(patches) - PATCHES + 1))
        codes.append(patches[begin : begin + PATCHES].flatten(0, 1).T)
        sounds.append(torch.from_numpy(audio[begin * hop : (begin + PATCHES) * hop]))
    return Pieces(torch.stack(codes), torch.stack(sounds), 0 if beginnings else LEAD_FRAMES)
