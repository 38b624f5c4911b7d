"""Train whisper-micro: a Whisper of 3 M parameters for the studio's four dialects, on CPU, resumable.

Three losses: the text, the syllable of every encoder frame, and the alignment heads' attention on the character that is
said. `python -m studio.train.whisper --bank DIR --held-out DIR --out checkpoints/whisper-micro`; run again to go on.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as F
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from recipes.loop import Muon, RecipeTrainer, Training
from recipes.state import load_state, save_state
from recipes.syllables import PartTable, syllable_classes
from recipes.whisper.model import Whisper, WhisperShape
from recipes.whisper.scores import error_rates
from recipes.whisper.tokens import Tokens
from recipes.whisper.windows import IGNORE, Batch, Windows

LEARNING_RATE, MATRIX_RATE = 1.5e-3, 1.5e-2
WARMUP_STEPS = 150
AVERAGE = 0.999
FRAME_WEIGHT, ALIGN_WEIGHT = 0.3, 0.3
SAVE_EVERY_SECONDS = 60.0
REPORT_EVERY_STEPS = 50
SCORE_EVERY_SECONDS = 360.0


class _Steps(Dataset[Batch]):
    """The batch of every step, made in another process; `clock` is the progress by time that the trainer last wrote."""

    def __init__(self, windows: Windows, steps: int, clock: Any, lesson: Callable[[float], float]) -> None:
        self.windows, self.steps, self.clock, self.lesson = windows, steps, clock, lesson

    def __getitem__(self, step: int) -> Batch:
        torch.set_num_threads(1)
        if step % 100 == 0:
            self.windows.refresh()
        return self.windows.batch(step, self.lesson(max(step / self.steps, self.clock.value)))


def losses(net: Whisper, batch: Batch, syllables: PartTable) -> dict[str, Tensor]:
    """Mean cross-entropies of text and frames, and minus the log of the attention that falls on the right frames."""
    with torch.autocast("cpu", torch.bfloat16):
        logits, frames, attention = net(batch.mel, batch.tokens, batch.shift, batch.token_shift)
    text = F.cross_entropy(logits.float().flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE)
    labels = syllables.of(batch.labels[:, ::2], IGNORE).flatten(0, 1)  # (B * T // 4, 3)
    frame = text * 0
    for place, part in enumerate(frames.float().flatten(0, 1).split(syllables.sizes, dim=1)):
        frame = frame + F.cross_entropy(part, labels[:, place], ignore_index=IGNORE)
    # The last layer looks at the character to come, the first one at the character just said: without the latter, the
    # place is lost in windows of more than ten seconds.
    said = F.pad(batch.spans[:, :-1], (0, 0, 1, 0), value=-1)
    align = _off_span(attention[-1], batch.spans) + 0.5 * _off_span(attention[0], said)
    return {"text": text, "frame": frame, "align": align}


def _off_span(attention: Tensor, spans: Tensor) -> Tensor:
    """Minus the log of the attention (B, H, L, S) that falls inside the spans (B, L, 2), mean over those there are."""
    aligned = spans[..., 1] > 0
    positions = torch.arange(attention.shape[-1])
    inside = (positions >= spans[..., :1]) & (positions < spans[..., 1:])  # (B, L, S)
    mass = (attention * inside[:, None]).float().sum(-1)  # (B, H, L)
    return -(mass + 1e-3).log().transpose(1, 2)[aligned].mean() if bool(aligned.any()) else mass.sum() * 0


class Trainer(RecipeTrainer[Whisper]):
    """The network, its average, the optimizer and where the training stands."""

    def __init__(
        self, characters: tuple[str, ...], syllables: dict[str, int], steps: int, minutes: float | None, seed: int
    ) -> None:
        self.characters, self.syllables = characters, syllables
        self.tokens = Tokens(characters)
        torch.manual_seed(seed)
        self.parts = PartTable(syllables)
        shape = WhisperShape(vocabulary=len(self.tokens), frame_classes=sum(self.parts.sizes))
        self.net = Whisper(shape)
        trained = [(name, p) for name, p in self.net.named_parameters() if p.requires_grad]
        hidden = [p for name, p in trained if ".layers." in name and p.ndim == 2]
        decayed = [p for name, p in trained if ".layers." not in name and p.ndim > 1]
        plain = [p for _, p in trained if p.ndim == 1]
        groups = [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
        optimizers = {
            "muon": Muon(hidden, MATRIX_RATE, weight_decay=0.05),
            "adam": torch.optim.AdamW(groups, LEARNING_RATE, betas=(0.9, 0.98), fused=True),
        }
        self.training = Training(self.net, optimizers, WARMUP_STEPS, AVERAGE)
        self.elapsed = 0.0
        self.steps, self.minutes, self.seed = steps, minutes, seed

    @property
    def progress(self) -> float:
        """How far the training is, 0 to 1: by steps, and by minutes where a limit is set."""
        return min(max(self.step / self.steps, self.clock), 1.0)

    @property
    def clock(self) -> float:
        """Share of the minutes that is used up, 0 where there is no limit."""
        return self.elapsed / 60 / self.minutes if self.minutes else 0.0

    def update(self, batch: Batch) -> dict[str, float]:
        """One step of the optimizer; returns the losses."""
        torch.manual_seed(self.seed * 1_000_003 + self.step)  # so that dropout does not depend on where we resumed
        self.net.train()
        parts = losses(self.net, batch, self.parts)
        total = parts["text"] + FRAME_WEIGHT * parts["frame"] + ALIGN_WEIGHT * parts["align"]
        self.training.descend(total, self.progress)
        return {name: float(value.detach()) for name, value in parts.items()}

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training, and the export, need."""
        return super().state() | {"characters": list(self.characters), "syllables": self.syllables}


def train(
    bank: Path,
    held_out: Path,
    out: Path,
    minutes: float | None = None,
    steps: int = 9000,
    seed: int = 0,
    threads: int = 1,
    resume: bool = True,
    state: Path | None = None,
    begin_with: Path | None = None,
) -> dict[str, float]:
    """Train on `bank`, then write the faster-whisper checkpoint to `out`; returns the last scores on `held_out`.

    State and log go to `state` (by default `whisper-state` beside the bank). With `minutes` the schedule ends when they
    are used up or `steps` are done, whichever is first; without, the result depends on data, seed and threads alone.
    `begin_with`: an exported checkpoint folder, whose weights are where a new training begins.
    """
    from recipes.whisper.export import export
    from recipes.whisper.read_back import read_back
    from studio.scripts import characters

    folder = state if state is not None else bank.parent / "whisper-state"
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    saved = load_state(folder / "state.pt") if resume else None
    inventory = tuple(saved["characters"]) if saved else characters()
    syllables = saved["syllables"] if saved else syllable_classes()
    trainer = Trainer(inventory, syllables, steps, minutes, seed)
    if saved:
        trainer.load(saved)
    elif begin_with:
        trainer.training.begin_with(read_back(begin_with))
    windows = Windows(bank, trainer.tokens, syllables, seed)
    scores: dict[str, float] = {}
    console = Console()
    with (folder / "train.log").open("a") as log:

        def report(line: str) -> None:
            stamped = f"{time.strftime('%H:%M:%S')} step {trainer.step} {trainer.progress:.0%} {line}"
            print(stamped, file=log, flush=True)
            console.print(stamped, highlight=False)

        size = sum(p.numel() for p in trainer.net.parameters())
        report(f"{len(windows.utterances)} utterances, {len(inventory)} characters, {size / 1e6:.2f} M parameters")
        for event in _run(trainer, windows, folder, console):
            if isinstance(event, str):
                report(event)
            else:
                scores = error_rates(trainer.average, trainer.tokens, held_out, padded=trainer.progress > 0.6)
                report(" ".join(f"{name} {value:.2%}" for name, value in scores.items()))
    export(folder / "state.pt", out)
    return scores


def _run(trainer: Trainer, windows: Windows, folder: Path, console: Console) -> Iterator[str | None]:
    """Train to the end, saving now and then; yields lines for the log, and None when it is time to score."""
    clock = multiprocessing.Value("d", trainer.clock)
    order = range(trainer.step, trainer.steps)
    batches = DataLoader(
        _Steps(windows, trainer.steps, clock, trainer.lesson),
        batch_size=None,
        sampler=order,
        num_workers=1,
        prefetch_factor=6,  # type: ignore[arg-type]
    )
    saved_at = scored_at = time.monotonic()
    began, before = time.monotonic(), trainer.elapsed
    sums: dict[str, float] = {}
    waited = 0.0
    columns = (TextColumn("whisper-micro"), BarColumn(), TextColumn("{task.percentage:.0f}%"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("train", total=1.0)
        source = iter(batches) if trainer.progress < 1 else iter(())
        while trainer.progress < 1:
            asked = time.monotonic()
            batch = next(source)
            waited += time.monotonic() - asked
            for name, value in trainer.update(batch).items():
                sums[name] = sums.get(name, 0.0) + value
            now = time.monotonic()
            trainer.elapsed = before + now - began
            clock.value = trainer.clock
            bar.update(task, completed=trainer.progress)
            if trainer.step % REPORT_EVERY_STEPS == 0:
                means = " ".join(f"{name} {value / REPORT_EVERY_STEPS:.3f}" for name, value in sums.items())
                yield f"{means} elapsed {trainer.elapsed:.0f} s, waited {waited:.1f} s"
                sums, waited = {}, 0.0
            if now - saved_at > SAVE_EVERY_SECONDS:
                save_state(folder / "state.pt", trainer.state())
                saved_at = time.monotonic()
            if now - scored_at > SCORE_EVERY_SECONDS:
                yield None
                scored_at = time.monotonic()
    save_state(folder / "state.pt", trainer.state())
    yield None


def _cli(
    bank: Annotated[Path, typer.Option(help="Bank of training utterances.")],
    held_out: Annotated[Path, typer.Option(help="Bank of held-out sentences and voices.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")] = Path("checkpoints/whisper-micro"),
    minutes: Annotated[float | None, typer.Option(help="End the schedule after so many minutes of training.")] = None,
    steps: Annotated[int, typer.Option(help="End the schedule after so many steps.")] = 9000,
    seed: int = 0,
    threads: int = 1,
    resume: bool = True,
    state: Annotated[Path | None, typer.Option(help="Folder for state and log.")] = None,
) -> None:
    train(bank, held_out, out, minutes, steps, seed, threads, resume, state)


if __name__ == "__main__":
    typer.run(_cli)
