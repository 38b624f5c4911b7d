"""Trains the speaker embedding (pyannote's XVectorMFCC) of checkpoints/diarization-micro.

It sees what the pipeline will show it: ten-second conversations with a mask per speaker, in rooms and noise, and learns
to name the voice (additive angular margin, Deng et al. 2019, equation 3). A voice played slower or faster counts as
another voice, for variety of voices is what counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.embedding import XVectorMFCC
from torch import Tensor

from studio.train.diarization_data import (
    LENGTH,
    SECONDS,
    SLOTS,
    SPEEDS,
    Chunk,
    Talkers,
    Utterances,
    activity,
    chunk,
)
from studio.train.state import load_state, save_state

DIMENSION = 128
MASK_FRAMES = 250
SHORTEST_SECONDS = 0.6
# Long windows so that the lowest mel bands tell harmonics apart: pitch is half of what makes a voice.
FEATURES = {"n_fft": 1024, "win_length": 800, "hop_length": 400, "n_mels": 64, "f_min": 20.0}


@dataclass(frozen=True)
class EmbeddingPlan:
    """How to train: `batch` new conversations a step."""

    steps: int = 1800
    batch: int = 16
    learning_rate: float = 1e-3
    scale: float = 30.0
    margin: float = 0.2
    seed: int = 1
    validate_every: int = 200
    save_seconds: float = 60.0


def build_embedding() -> XVectorMFCC:
    """An untrained x-vector network over 64 cepstra at 40 frames a second."""
    mfcc = {"n_mfcc": FEATURES["n_mels"], "log_mels": True, "melkwargs": dict(FEATURES)}
    network = XVectorMFCC(mfcc=mfcc, dimension=DIMENSION)
    network.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=SECONDS, classes=["speaker"]
    )
    return network


def masked_embeddings(network: XVectorMFCC, features: Tensor, masks: Tensor) -> Tensor:
    """Embeddings float32 (B, speakers, 128) of features (B, 64, frames) under masks (B, speakers, mask frames)."""
    with torch.autocast("cpu", torch.bfloat16, enabled=network.training):
        hidden = features
        for layer in network.tdnns:
            hidden = layer(hidden)
    return network.embedding(network.stats_pool(hidden.float(), weights=masks))


def speaker_masks(made: Chunk, rng: np.random.Generator) -> NDArray[np.float32]:
    """Where each speaker speaks alone: float32 (speakers, mask frames), sometimes cut to a second or two."""
    width = LENGTH / MASK_FRAMES
    spoken = activity(made, width * (np.arange(MASK_FRAMES) + 0.5), width)
    alone = spoken & (spoken.sum(-1, keepdims=True) == 1)
    masks = np.zeros((SLOTS, MASK_FRAMES), np.float32)
    for slot in range(SLOTS):
        places = np.flatnonzero(alone[:, slot])
        if rng.random() < 0.5 and len(places):
            wanted = int(rng.uniform(1.0, 4.0) / SECONDS * MASK_FRAMES)
            first = int(rng.integers(max(1, len(places) - wanted + 1)))
            places = places[first : first + wanted]
        masks[slot, places] = 1.0
    return masks


class MaskedConversations(torch.utils.data.Dataset):
    """Numbered batches of features (B, 64, frames), masks (B, slots, mask frames) and identities (B, slots)."""

    def __init__(self, network: XVectorMFCC, open_bank: Callable[[], Utterances], plan: EmbeddingPlan) -> None:
        self.network, self.open_bank, self.plan = network, open_bank, plan
        self.talkers: Talkers | None = None

    def __len__(self) -> int:
        return self.plan.steps

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Batch `number`; identity -1 where a slot has too little speech to name."""
        if self.talkers is None:
            torch.set_num_threads(1)
            self.talkers = Talkers(self.open_bank(), self.plan.seed)
        size = self.plan.batch
        return masked_batch(self.network, self.talkers, self.plan.seed, range(number * size, (number + 1) * size))


@torch.no_grad()
def masked_batch(network: XVectorMFCC, talkers: Talkers, seed: int, numbers: range) -> tuple[Tensor, Tensor, Tensor]:
    """Features bfloat16, masks and identities of the numbered conversations."""
    made = [chunk(talkers, seed, number) for number in numbers]
    masks = np.stack(
        [speaker_masks(one, np.random.default_rng([seed, 4, n])) for one, n in zip(made, numbers, strict=True)]
    )
    identities = np.array([one.identities for one in made])
    identities[masks.sum(-1) < SHORTEST_SECONDS / SECONDS * MASK_FRAMES] = -1
    waveforms = torch.from_numpy(np.stack([one.samples for one in made]))
    return network.mfcc(waveforms).bfloat16(), torch.from_numpy(masks), torch.from_numpy(identities)


def angular_margin_loss(embeddings: Tensor, weights: Tensor, names: Tensor, plan: EmbeddingPlan) -> Tensor:
    """Cross-entropy of scaled cosines (N, classes), the true class's angle made larger by the margin."""
    cosine = F.linear(F.normalize(embeddings), F.normalize(weights)).clamp(-1 + 1e-6, 1 - 1e-6)
    true = F.one_hot(names, len(weights)).bool()
    harder = torch.cos(torch.acos(cosine) + plan.margin)
    return F.cross_entropy(plan.scale * torch.where(true, harder, cosine), names)


def train_embedding(
    open_bank: Callable[[], Utterances],
    state: Path,
    plan: EmbeddingPlan,
    held_out: Utterances | None = None,
    say: Callable[[str], None] = print,
    stop_after: int | None = None,
) -> XVectorMFCC:
    """Train, or go on from `state` (a file), and return the network in eval mode."""
    torch.manual_seed(plan.seed)
    network = build_embedding()
    classes = len(SPEEDS) * len(_voices(open_bank()))
    weights = torch.nn.Parameter(torch.randn(classes, DIMENSION) * 0.1)
    learned = [*network.tdnns.parameters(), *network.embedding.parameters(), weights]
    optimizer = torch.optim.AdamW(learned, lr=plan.learning_rate, weight_decay=1e-4)
    step, spent = 0, 0.0
    if (kept := load_state(state)) is not None:
        network.load_state_dict(kept["network"])
        if len(kept["weights"]) != classes:
            raise ValueError(
                f"{state} was trained on {len(kept['weights'])} voices and speeds, this bank has {classes}: "
                "give the bank it was trained on, or another state folder"
            )
        weights.data.copy_(kept["weights"])
        optimizer.load_state_dict(kept["optimizer"])
        step, spent = kept["step"], kept["seconds"]
        say(f"embedding: going on from step {step}")
    check = None
    if held_out is not None:
        check = masked_batch(network, Talkers(held_out, 99), 99, range(64))
    loader = torch.utils.data.DataLoader(
        torch.utils.data.Subset(MaskedConversations(network, open_bank, plan), range(step, plan.steps)),
        batch_size=None,
        num_workers=1,
        prefetch_factor=4,
    )
    began = saved = time.monotonic()
    smoothed = 0.0
    last = min(plan.steps, stop_after or plan.steps)
    network.train()
    for features, masks, identities in loader:
        if step >= last:
            break
        for group in optimizer.param_groups:
            warm = min(1.0, (step + 1) / 100)
            group["lr"] = plan.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * step / plan.steps)))
        named = identities >= 0
        embeddings = masked_embeddings(network, features, masks.where(named[..., None], torch.ones(())))
        loss = angular_margin_loss(embeddings[named], weights, identities[named], plan)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 5.0)
        optimizer.step()
        step += 1
        smoothed = loss.item() if smoothed == 0.0 else 0.98 * smoothed + 0.02 * loss.item()
        now = time.monotonic()
        if step % 50 == 0:
            say(f"embedding: step {step}/{plan.steps} loss {smoothed:.3f} {spent + now - began:.0f} s")
        if check is not None and (step % plan.validate_every == 0 or step == last):
            say(f"embedding: step {step} held-out equal error rate {_equal_error_rate(network, check):.4f}")
        if now - saved > plan.save_seconds or step == last:
            states = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            more = {"weights": weights.data, "step": step, "seconds": spent + now - began, "plan": asdict(plan)}
            save_state(state, states | more)
            saved = now
    return network.eval()


@torch.no_grad()
def embed_conversations(network: XVectorMFCC, batch: tuple[Tensor, Tensor, Tensor]) -> tuple[NDArray, NDArray]:
    """Embeddings (N, 128) and identities (N,) of all speakers with enough speech in the batch."""
    network.eval()
    features, masks, identities = batch
    made = [
        masked_embeddings(network, part.float(), mask)
        for part, mask in zip(features.split(8), masks.split(8), strict=True)
    ]
    named = identities >= 0
    return torch.cat(made)[named].numpy(), identities[named].numpy()


def equal_error_rate(embeddings: NDArray, names: NDArray) -> float:
    """Equal error rate of cosine scores over all pairs of embeddings (N, D) with names (N,)."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    first, second = np.triu_indices(len(unit), 1)
    scores = np.sum(unit[first] * unit[second], axis=1)
    same = names[first] == names[second]
    order = np.argsort(scores)
    missed = np.cumsum(same[order]) / max(same.sum(), 1)
    accepted = 1.0 - np.cumsum(~same[order]) / max((~same).sum(), 1)
    place = int(np.argmin(np.abs(missed - accepted)))
    return float((missed[place] + accepted[place]) / 2)


def _equal_error_rate(network: XVectorMFCC, check: tuple[Tensor, Tensor, Tensor]) -> float:
    rate = equal_error_rate(*embed_conversations(network, check))
    network.train()
    return rate


def _voices(bank: Utterances) -> set[str]:
    return {bank[index][1]["voice_id"] for index in range(len(bank))}
