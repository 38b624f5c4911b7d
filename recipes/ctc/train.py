"""Train ctc-micro on CPU, resumable: CTC over the characters, and the character and syllable of every frame.

The synthesizer's times make the labels of frames, which spare CTC the long search for where a character is said and let
a character's label begin where its sound does. `python -m recipes ctc`; run again to go on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor

from recipes.ctc.data import BLANK, IGNORE, Batch, Clips
from recipes.ctc.model import CtcNet, CtcShape
from recipes.ctc.scores import greedy_rates
from recipes.loop import Muon, RecipeTrainer, Training
from recipes.state import load_state, save_state
from recipes.syllables import PartTable, syllable_classes

LEARNING_RATE, MATRIX_RATE = 2e-3, 1.5e-2
WARMUP_STEPS = 100
AVERAGE = 0.998
CTC_WEIGHT, FRAME_WEIGHT, PARTS_WEIGHT = 0.5, 1.0, 0.3
CTC_FROM = 0.15
"""CTC comes in slowly up to here: a network that knows no character yet would learn from it to say nothing."""
SAVE_EVERY_SECONDS = 60.0
REPORT_EVERY_STEPS = 50
SCORE_EVERY_SECONDS = 400.0


def losses(net: CtcNet, batch: Batch, parts: PartTable) -> dict[str, Tensor]:
    """CTC in nats a character; mean cross-entropies of the frames' characters and of their syllables' parts."""
    with torch.autocast("cpu", torch.bfloat16):
        scores, heard, frames = net(batch.features, batch.lengths)
    log_probs = scores.float().log_softmax(-1)
    ctc = F.ctc_loss(
        log_probs.transpose(0, 1), batch.targets, frames, batch.target_lengths, BLANK, "sum", zero_infinity=True
    )
    character = F.nll_loss(log_probs.flatten(0, 1), batch.characters.flatten(), ignore_index=IGNORE)
    labels = parts.of(batch.syllables, IGNORE).flatten(0, 1)
    syllable = character * 0
    for place, part in enumerate(heard.float().flatten(0, 1).split(parts.sizes, dim=1)):
        syllable = syllable + F.cross_entropy(part, labels[:, place], ignore_index=IGNORE)
    return {"ctc": ctc / batch.target_lengths.sum().clamp(min=1), "character": character, "syllable": syllable}


class Trainer(RecipeTrainer[CtcNet]):
    """The network, its average, the optimizers and where the training stands."""

    def __init__(
        self,
        characters: Sequence[str],
        syllables: dict[str, int],
        steps: int,
        minutes: float | None,
        seed: int,
        **sizes: int,
    ) -> None:
        self.characters, self.syllables = tuple(characters), syllables
        self.parts = PartTable(syllables)
        torch.manual_seed(seed)
        self.net = CtcNet(CtcShape(len(self.characters) + 1, sum(self.parts.sizes), **sizes))
        inner = [p for name, p in self.net.named_parameters() if "blocks." in name and p.ndim == 2]
        inner += [self.net.second.weight]
        known = {id(p) for p in inner}
        others = [p for p in self.net.parameters() if id(p) not in known]
        groups = [
            {"params": [p for p in others if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in others if p.ndim == 1], "weight_decay": 0.0},
        ]
        optimizers = {
            "muon": Muon(inner, MATRIX_RATE, weight_decay=0.05),
            "adam": torch.optim.AdamW(groups, LEARNING_RATE, betas=(0.9, 0.98), fused=True),
        }
        self.training = Training(self.net, optimizers, WARMUP_STEPS, AVERAGE)
        self.elapsed, self.heard_seconds = 0.0, 0.0
        self.steps, self.minutes, self.seed = steps, minutes, seed

    @property
    def progress(self) -> float:
        """How far the training is, 0 to 1: by steps, and by minutes where a limit is set."""
        clock = self.elapsed / 60 / self.minutes if self.minutes else 0.0
        return min(max(self.step / self.steps, clock), 1.0)

    def update(self, batch: Batch) -> dict[str, float]:
        """One step of the optimizers; returns the losses."""
        self.net.train()
        found = losses(self.net, batch, self.parts)
        ctc = CTC_WEIGHT * min(self.lesson(self.progress) / CTC_FROM, 1.0)
        total = ctc * found["ctc"] + FRAME_WEIGHT * found["character"] + PARTS_WEIGHT * found["syllable"]
        self.training.descend(total, self.progress)
        self.heard_seconds += float(batch.lengths.sum()) / 100
        return {name: float(value.detach()) for name, value in found.items()}

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training, and the export, need."""
        return super().state() | {
            "heard_seconds": self.heard_seconds,
            "characters": list(self.characters),
            "syllables": self.syllables,
            "seed": self.seed,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        super().load(state)
        self.heard_seconds = state["heard_seconds"]


def train(
    bank: Path,
    held_out: Path,
    state: Path,
    minutes: float | None = None,
    steps: int = 6000,
    seed: int = 0,
    threads: int = 1,
    begin_with: Path | None = None,
) -> Trainer:
    """Train on `bank` until `steps` are done or `minutes` are used up; state and log go to the folder `state`.

    `begin_with`: the state.pt of another training, whose averaged network is where this one begins.

    Without `minutes` the result depends on data, seed and threads alone, however often the training was interrupted.
    """
    from studio.scripts import characters

    state.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    saved = load_state(state / "state.pt")
    other = load_state(begin_with) if begin_with and not saved else None
    known = saved or other
    inventory = tuple(known["characters"]) if known else characters()
    syllables = known["syllables"] if known else syllable_classes()
    trainer = Trainer(inventory, syllables, steps, minutes, seed)
    if saved:
        trainer.load(saved)
    elif other:
        trainer.training.begin_with(other["average"])
    clips = Clips(bank, inventory, syllables, seed)
    console = Console()
    with (state / "train.log").open("a") as log:

        def report(line: str) -> None:
            stamped = f"{time.strftime('%H:%M:%S')} step {trainer.step} {trainer.progress:.0%} {line}"
            print(stamped, file=log, flush=True)
            console.print(stamped, highlight=False)

        size = sum(p.numel() for p in trainer.net.parameters())
        report(f"{len(clips.utterances)} utterances, {len(inventory)} characters, {size / 1e6:.2f} M parameters")
        _run(trainer, clips, state, held_out, report)
    return trainer


def _run(trainer: Trainer, clips: Clips, state: Path, held_out: Path, report: Any) -> None:
    """Train to the end, saving and scoring now and then."""

    def score() -> None:
        rates = greedy_rates(trainer.average, trainer.characters, held_out)
        report(" ".join(f"{name} {value:.2%}" for name, value in rates.items()))

    began, before = time.monotonic(), trainer.elapsed
    saved_at = scored_at = began
    sums: dict[str, float] = {}
    while trainer.progress < 1:
        for name, value in trainer.update(clips.batch(trainer.step, trainer.lesson(trainer.progress))).items():
            sums[name] = sums.get(name, 0.0) + value
        now = time.monotonic()
        trainer.elapsed = before + now - began
        if trainer.step % REPORT_EVERY_STEPS == 0:
            means = " ".join(f"{name} {value / REPORT_EVERY_STEPS:.3f}" for name, value in sums.items())
            report(f"{means} elapsed {trainer.elapsed:.0f} s, {trainer.heard_seconds / 3600:.1f} h heard")
            sums = {}
        if now - saved_at > SAVE_EVERY_SECONDS:
            save_state(state / "state.pt", trainer.state())
            saved_at = now
        if now - scored_at > SCORE_EVERY_SECONDS:
            score()
            scored_at = time.monotonic()
    save_state(state / "state.pt", trainer.state())
    score()
