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

from recipes.diarization.data import LENGTH, SECONDS, SLOTS, SPEEDS, Chunk, Talkers, Utterances, activity, chunk
from recipes.loop import Training
from recipes.state import load_state, save_state

DIMENSION = 128
MASK_FRAMES = 250
SHORTEST_SECONDS = 0.6
MARGIN_STEPS = 400
# Long windows so that the lowest mel bands tell harmonics apart: pitch is half of what makes a voice.
FEATURES = {"n_fft": 1024, "win_length": 800, "hop_length": 640, "n_mels": 64, "f_min": 20.0}
WARMUP_STEPS = 100
AVERAGE = 0.998


@dataclass(frozen=True)
class EmbeddingPlan:
    """How to train: `batch` new conversations a step."""

    steps: int = 1800
    batch: int = 16
    learning_rate: float = 2e-3
    scale: float = 30.0
    margin: float = 0.2
    seed: int = 1
    validate_every: int = 200
    save_seconds: float = 60.0


def build_embedding() -> XVectorMFCC:
    """An untrained x-vector network over 64 cepstra at 25 frames a second."""
    mfcc = {"n_mfcc": FEATURES["n_mels"], "log_mels": True, "melkwargs": dict(FEATURES)}
    network = XVectorMFCC(mfcc=mfcc, dimension=DIMENSION)
    network.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=SECONDS, classes=["speaker"]
    )
    return network


def masked_embeddings(network: XVectorMFCC, features: Tensor, masks: Tensor) -> Tensor:
    """Embeddings float32 (B, speakers, 128) of features (B, 64, frames) under masks (B, speakers, mask frames).

    Pools as pyannote's StatsPool does, for all speakers at once and with a gradient where nothing varies.
    """
    with torch.autocast("cpu", torch.bfloat16, enabled=network.training):
        hidden = features
        for layer in network.tdnns:
            hidden = layer(hidden)
    hidden = hidden.float()
    weights = F.interpolate(masks, hidden.shape[-1], mode="nearest")
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-6)
    mean = weights @ hidden.transpose(1, 2)
    square = weights @ hidden.square().transpose(1, 2)
    spare = (1 - weights.square().sum(-1, keepdim=True)).clamp(min=1e-3)
    deviation = ((square - mean.square()) / spare).clamp(min=1e-5).sqrt()
    return network.embedding(torch.cat([mean, deviation], -1))


def speaker_masks(made: Chunk, rng: np.random.Generator) -> NDArray[np.float32]:
    """Where each speaker speaks alone: float32 (speakers, mask frames), sometimes cut to a second or two."""
    width = LENGTH / MASK_FRAMES
    spoken = activity(made, width * (np.arange(MASK_FRAMES, dtype=np.float64) + 0.5), width)
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


def fold_scale(network: XVectorMFCC, centre: Tensor, spread: Tensor) -> XVectorMFCC:
    """The network for plain cepstra, from one trained on (cepstra - centre) / spread, both (64,): the same function."""
    folded = build_embedding()
    folded.load_state_dict(network.state_dict())
    first = folded.tdnns[0]
    assert isinstance(first, torch.nn.Conv1d)
    assert first.bias is not None
    with torch.no_grad():
        first.weight /= spread[None, :, None]
        first.bias -= (first.weight * centre[None, :, None]).sum((1, 2))
    return folded.eval()


def angular_margin_loss(
    embeddings: Tensor, weights: Tensor, names: Tensor, plan: EmbeddingPlan, margin: float
) -> Tensor:
    """Cross-entropy of scaled cosines (N, classes), the true class's angle made larger by the margin."""
    cosine = F.linear(F.normalize(embeddings), F.normalize(weights)).clamp(-1 + 1e-6, 1 - 1e-6)
    true = F.one_hot(names, len(weights)).bool()
    harder = torch.cos(torch.acos(cosine) + margin)
    return F.cross_entropy(plan.scale * torch.where(true, harder, cosine), names)


def train_embedding(
    open_bank: Callable[[], Utterances],
    state: Path,
    plan: EmbeddingPlan,
    held_out: Utterances | None = None,
    say: Callable[[str], None] = print,
    stop_after: int | None = None,
) -> XVectorMFCC:
    """Train, or go on from `state` (a file), and return the network in eval mode, ready for plain cepstra."""
    torch.manual_seed(plan.seed)
    network = build_embedding()
    classes = len(SPEEDS) * len(_voices(open_bank()))
    weights = torch.nn.Parameter(torch.randn(classes, DIMENSION) * 0.1)
    learned = [*network.tdnns.parameters(), *network.embedding.parameters(), weights]
    optimizer = torch.optim.AdamW(learned, lr=plan.learning_rate, weight_decay=1e-4)
    training = Training(network, {"adam": optimizer}, WARMUP_STEPS, AVERAGE, clip=5.0, trained=learned)
    step, spent, scale = 0, 0.0, None
    if (kept := load_state(state)) is not None:
        if len(kept["weights"]) != classes:
            raise ValueError(
                f"{state} was trained on {len(kept['weights'])} voices and speeds, this bank has {classes}: "
                "give the bank it was trained on, or another state folder"
            )
        training.load(kept)
        weights.data.copy_(kept["weights"])
        step, spent, scale = training.step, kept["seconds"], (kept["centre"], kept["spread"])
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
        if scale is None:
            scale = (features.float().mean((0, 2)), features.float().std((0, 2)))
        named = identities >= 0
        scaled = (features - scale[0][:, None]) / scale[1][:, None]
        embeddings = masked_embeddings(network, scaled, masks.where(named[..., None], torch.ones(())))
        margin = plan.margin * min(1.0, step / MARGIN_STEPS)
        loss = angular_margin_loss(embeddings[named], weights, identities[named], plan, margin)
        training.descend(loss, step / plan.steps)
        step = training.step
        smoothed = loss.item() if smoothed == 0.0 else 0.96 * smoothed + 0.04 * loss.item()
        now = time.monotonic()
        if step % 50 == 0:
            say(f"embedding: step {step}/{plan.steps} loss {smoothed:.3f} {spent + now - began:.0f} s")
        if check is not None and (step % plan.validate_every == 0 or step == last):
            rate = equal_error_rate(*embed_conversations(fold_scale(network, *scale), check))
            say(f"embedding: step {step} held-out equal error rate {rate:.4f}")
        if now - saved > plan.save_seconds or step == last:
            more = {"weights": weights.data, "centre": scale[0], "spread": scale[1], "plan": asdict(plan)}
            save_state(state, training.state() | more | {"seconds": spent + now - began})
            saved = now
    if scale is None:
        raise ValueError(f"{state} says step {step} of {plan.steps}, so nothing was left to train on")
    return fold_scale(network, *scale)


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


def _voices(bank: Utterances) -> set[str]:
    return {bank[index][1]["voice_id"] for index in range(len(bank))}
