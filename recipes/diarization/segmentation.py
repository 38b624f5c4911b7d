"""Trains the speaker segmentation network (PyanNet, powerset) of checkpoints/diarization-micro.

The sinc filters are left as they are: their outputs are computed once per conversation, in a second process, and each
conversation is learned from several times. A lean loop with a resumable state stands in for Lightning.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.segmentation import PyanNet
from pyannote.audio.utils.powerset import Powerset
from torch import Tensor

from recipes.diarization.data import LENGTH, SECONDS, SLOTS, Talkers, Utterances, activity, chunk
from recipes.loop import Training
from recipes.state import load_state, save_state

MOST_AT_ONCE = 2
WARMUP_STEPS = 200
AVERAGE = 0.998


@dataclass(frozen=True)
class SegmentationPlan:
    """How to train: `fresh` of the `batch` conversations of a step are new, the rest come from the last `memory`."""

    steps: int = 8000
    batch: int = 32
    fresh: int = 8
    memory: int = 1024
    learning_rate: float = 2e-3
    hidden: int = 128
    stride: int = 20
    seed: int = 0
    validate_every: int = 250
    save_seconds: float = 60.0


def build_network(hidden: int = 128, stride: int = 20) -> PyanNet:
    """A PyanNet over ten-second chunks: three speakers, at most two at once, one frame each `27 * stride` samples."""
    network = PyanNet(
        sincnet={"stride": stride},
        lstm={"hidden_size": hidden, "num_layers": 2},
        linear={"hidden_size": 64, "num_layers": 2},
    )
    network.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=SECONDS,
        classes=[f"speaker#{slot + 1}" for slot in range(SLOTS)],
        powerset_max_classes=MOST_AT_ONCE,
        permutation_invariant=True,
    )
    network.build()
    for parameter in frozen_parameters(network):
        parameter.requires_grad = False
    return network


def frozen_parameters(network: PyanNet) -> list[torch.nn.Parameter]:
    """Parameters ahead of the first normalisation: without their gradients a step costs a third."""
    return [*network.sincnet.wav_norm1d.parameters(), *network.sincnet.conv1d[0].parameters()]


def frame_centres(network: PyanNet) -> tuple[np.ndarray, float]:
    """Centre of each output frame (frames,) and the distance between two, in samples."""
    frames = network.num_frames(LENGTH)
    first, second = network.receptive_field_center(0), network.receptive_field_center(1)
    return first + (second - first) * np.arange(frames, dtype=np.float64), float(second - first)


@torch.no_grad()
def frozen_features(network: PyanNet, waveforms: Tensor) -> Tensor:
    """What the fixed first layer makes of waveforms (B, 1, T): bfloat16 (B, 80, frames), normalised, without affine."""
    sincnet = network.sincnet
    filtered = torch.abs(sincnet.conv1d[0](sincnet.wav_norm1d(waveforms)))
    return F.instance_norm(sincnet.pool1d[0](filtered)).bfloat16()


def learned_scores(network: PyanNet, features: Tensor) -> Tensor:
    """The rest of the network on `frozen_features`: log-probabilities float32 (B, frames, powerset classes)."""
    sincnet: Any = network.sincnet
    with torch.autocast("cpu", torch.bfloat16):
        norm = sincnet.norm1d[0]
        hidden = F.leaky_relu(features * norm.weight.bfloat16()[:, None] + norm.bias.bfloat16()[:, None])
        for layer in (1, 2):
            convolved = sincnet.pool1d[layer](sincnet.conv1d[layer](hidden))
            hidden = F.leaky_relu(sincnet.norm1d[layer](convolved))
    outputs = _recur(network.lstm, hidden.transpose(1, 2).contiguous())
    for linear in network.linear:
        outputs = F.leaky_relu(linear(outputs))
    return F.log_softmax(network.classifier(outputs), dim=-1)


def _recur(lstm: Any, inputs: Tensor) -> Tensor:
    """The LSTM in bfloat16 with float32 weights kept for the optimizer: half the time, and autocast would not do it."""
    directions = 2 * lstm.num_layers
    start = torch.zeros(directions, len(inputs), lstm.hidden_size, dtype=torch.bfloat16)
    weights = [weight.bfloat16() for weight in lstm._flat_weights]
    return torch.lstm(inputs, (start, start), weights, True, lstm.num_layers, 0.0, True, True, True)[0].float()


class PermutationLoss:
    """Negative log-likelihood of the powerset classes under the best assignment of speakers to slots."""

    def __init__(self) -> None:
        self.powerset = Powerset(SLOTS, MOST_AT_ONCE)
        self.orders = list(itertools.permutations(range(SLOTS)))

    def __call__(self, scores: Tensor, spoken: Tensor) -> Tensor:
        """Mean loss of log-probabilities (B, frames, classes) against speech (B, frames, slots) of 0 and 1."""
        losses = []
        for order in self.orders:
            target = self.powerset.to_powerset(spoken[:, :, list(order)]).argmax(-1, keepdim=True)
            losses.append(-scores.gather(-1, target).squeeze(-1).mean(-1))
        return torch.stack(losses).amin(0).mean()

    @torch.no_grad()
    def error_rate(self, scores: Tensor, spoken: Tensor) -> float:
        """Local diarization error rate over all chunks, slots assigned at best per chunk; overlap counts."""
        guess = self.powerset.to_multilabel(scores)
        wrong = []
        for order in self.orders:
            truth = spoken[:, :, list(order)]
            extra = (guess.sum(-1) - truth.sum(-1)).clamp(min=0).sum(-1)
            missed_or_confused = (truth.sum(-1) - (guess * truth).sum(-1)).sum(-1)
            wrong.append(extra + missed_or_confused)
        return float(torch.stack(wrong).amin(0).sum() / spoken.sum().clamp(min=1))


class Conversations(torch.utils.data.Dataset):
    """Batches of new conversations by number, features computed here: runs in the loader's process."""

    def __init__(
        self, network: PyanNet, open_bank: Callable[[], Utterances], plan: SegmentationPlan, count: int
    ) -> None:
        self.network, self.open_bank, self.plan, self.count = network, open_bank, plan, count
        self.talkers: Talkers | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """Features bfloat16 (fresh, 80, frames) and speech float32 (fresh, frames, slots) of batch `number`."""
        if self.talkers is None:
            torch.set_num_threads(1)
            self.talkers = Talkers(self.open_bank(), self.plan.seed)
        size = self.plan.fresh
        return conversations(self.network, self.talkers, self.plan.seed, range(number * size, (number + 1) * size))


def conversations(network: PyanNet, talkers: Talkers, seed: int, numbers: range) -> tuple[Tensor, Tensor]:
    """Features bfloat16 (B, 80, frames) and speech float32 (B, frames, slots) of the numbered conversations."""
    centres, width = frame_centres(network)
    made = [chunk(talkers, seed, number) for number in numbers]
    waveforms = torch.from_numpy(np.stack([one.samples for one in made]))[:, None]
    spoken = np.stack([activity(one, centres, width) for one in made]).astype(np.float32)
    return frozen_features(network, waveforms), torch.from_numpy(spoken)


def train_segmentation(
    open_bank: Callable[[], Utterances],
    state: Path,
    plan: SegmentationPlan,
    held_out: Utterances | None = None,
    say: Callable[[str], None] = print,
    stop_after: int | None = None,
) -> PyanNet:
    """Train, or go on from `state` (a file), and return the averaged network in eval mode.

    `open_bank` is called in the loader's process; `held_out` is only measured on. `stop_after` ends early at that step.
    """
    torch.manual_seed(plan.seed)
    network = build_network(plan.hidden, plan.stride)
    optimizer = torch.optim.AdamW(
        [p for p in network.parameters() if p.requires_grad], lr=plan.learning_rate, weight_decay=1e-3
    )
    training = Training(network, {"adam": optimizer}, WARMUP_STEPS, AVERAGE)
    step, spent = 0, 0.0
    if (kept := load_state(state)) is not None:
        training.load(kept)
        step, spent = training.step, kept["seconds"]
        say(f"segmentation: going on from step {step}")
    check = None
    if held_out is not None:
        check = conversations(network, Talkers(held_out, 99), 99, range(96))

    def keep(seconds: float) -> None:
        save_state(state, training.state() | {"seconds": seconds, "plan": asdict(plan)})

    loss_of = PermutationLoss()
    batches_to_remember = plan.memory // plan.fresh
    first = max(0, step - batches_to_remember)
    data = Conversations(network, open_bank, plan, plan.steps)
    loader = iter(
        torch.utils.data.DataLoader(
            torch.utils.data.Subset(data, range(first, plan.steps)), batch_size=None, num_workers=1, prefetch_factor=4
        )
    )
    memory: deque[tuple[Tensor, Tensor]] = deque(maxlen=batches_to_remember)
    for _ in range(first, step):
        memory.append(next(loader))
    began = saved = time.monotonic()
    smoothed = 0.0
    last = min(plan.steps, stop_after or plan.steps)
    while step < last:
        memory.append(next(loader))
        features, spoken = _recall(memory, plan, step)
        loss = loss_of(learned_scores(network, features), spoken)
        training.descend(loss, step / plan.steps)
        step = training.step
        smoothed = loss.item() if smoothed == 0.0 else 0.98 * smoothed + 0.02 * loss.item()
        now = time.monotonic()
        if step % 50 == 0:
            say(f"segmentation: step {step}/{plan.steps} loss {smoothed:.3f} {spent + now - began:.0f} s")
        if check is not None and step % plan.validate_every == 0:
            say(f"segmentation: step {step} held-out local DER {_validate(training.average, check, loss_of):.3f}")
        if now - saved > plan.save_seconds or step == last:
            keep(spent + now - began)
            saved = now
    return training.average


def _recall(memory: deque[tuple[Tensor, Tensor]], plan: SegmentationPlan, step: int) -> tuple[Tensor, Tensor]:
    """The newest conversations with older ones drawn from memory, reproducibly by step."""
    rng = np.random.default_rng([plan.seed, 3, step])
    features, spoken = [memory[-1][0]], [memory[-1][1]]
    for _ in range(plan.batch - plan.fresh):
        batch, item = int(rng.integers(len(memory))), int(rng.integers(plan.fresh))
        features.append(memory[batch][0][item : item + 1])
        spoken.append(memory[batch][1][item : item + 1])
    return torch.cat(features), torch.cat(spoken)


@torch.no_grad()
def _validate(network: PyanNet, check: tuple[Tensor, Tensor], loss_of: PermutationLoss) -> float:
    """Local diarization error rate on conversations that are never learned from."""
    scores = torch.cat([learned_scores(network, part) for part in check[0].split(16)])
    return loss_of.error_rate(scores, check[1])
