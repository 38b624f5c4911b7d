"""Train aligner-micro: cross-entropy on the studio's label of every 10 ms, so that boundaries are sharp and unbiased.

`python -m recipes aligner --bank DIR --held-out DIR --out checkpoints/aligner-micro`; run again to go on.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.nn import functional as F

from pipeline.recognition.aligner_model import AlignerConfig, AlignerNet, load_checkpoint, save_checkpoint
from pipeline.recognition.alignment import MicroAligner
from recipes.aligner.data import batch, noise_pool
from recipes.aligner.scores import score_card
from recipes.bank import Bank
from recipes.loop import Training
from recipes.mixture import hours_of_engines
from recipes.state import load_state, save_state

LEARNING_RATE = 2e-3
WARMUP_STEPS = 100
AVERAGE = 0.998
BATCH = 16
SECONDS = 8.0
SAVE_EVERY_SECONDS = 60.0
REPORT_EVERY_STEPS = 50


def train(
    bank: Bank,
    held_out: Bank,
    out: Path,
    minutes: float = 40.0,
    steps: int = 1000,
    seed: int = 0,
    threads: int = 1,
    resume: bool = True,
    state: Path | None = None,
    begin_with: Path | None = None,
) -> dict[str, Any]:
    """`fit`, then score on `held_out` and write the card; returns the facts of the training and the scores."""
    net, facts = fit(bank, out, minutes, steps, seed, threads, resume, state, begin_with=begin_with)
    card = score_card(MicroAligner(net), held_out, seed=seed)
    write_card(out, facts, card)
    return facts | card


def fit(
    bank: Bank,
    out: Path,
    minutes: float,
    steps: int,
    seed: int,
    threads: int,
    resume: bool = True,
    state: Path | None = None,
    config: AlignerConfig | None = None,
    begin_with: Path | None = None,
) -> tuple[AlignerNet, dict[str, Any]]:
    """Train to `steps` or until `minutes` of this call are over and export to `out`; the network and what was done.

    The state (default: folder `aligner-state` beside `out`) is saved whole every minute; `resume` goes on from it.
    Equal bank, seed and threads give equal weights however often training was interrupted. `begin_with`: a checkpoint
    folder whose weights are where a new training begins.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    state = state or out.parent / "aligner-state"
    net = AlignerNet(config or AlignerConfig()).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=0.01, betas=(0.9, 0.98))
    training = Training(net, {"adam": optimizer}, WARMUP_STEPS, AVERAGE, clip=2.0)
    spent, seen = 0.0, 0.0
    saved = load_state(state / "state.pt") if resume else None
    if saved and saved["seed"] == seed:
        training.load(saved)
        spent, seen = saved["spent"], saved["seen"]
    elif begin_with:
        training.begin_with(load_checkpoint(begin_with).state_dict())
    pool = noise_pool(bank, seed)
    began = last_save = time.monotonic()
    console = Console()

    def keep() -> None:
        facts = {"seed": seed, "spent": spent + time.monotonic() - began, "seen": seen}
        save_state(state / "state.pt", training.state() | facts)
        save_checkpoint(out, training.average)

    columns = (TextColumn("aligner-micro"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("train", total=steps, completed=training.step, loss="")
        while (step := training.step) < steps and time.monotonic() - began < 60.0 * minutes:
            torch.manual_seed(seed * 1_000_003 + step)
            loss, accuracy = _step(net, training, batch(bank, pool, BATCH, SECONDS, seed, step), step / steps)
            step, seen = training.step, seen + BATCH * SECONDS
            progress.update(task, completed=step, loss=f"loss {loss:.3f}")
            if step % REPORT_EVERY_STEPS == 0:
                minutes_spent = (spent + time.monotonic() - began) / 60.0
                console.print(
                    f"step {step} loss {loss:.4f} frames right {accuracy:.3f} "
                    f"{seen / 3600:.1f} h heard, {minutes_spent:.1f} min"
                )
            if time.monotonic() - last_save > SAVE_EVERY_SECONDS:
                keep()
                last_save = time.monotonic()
    keep()
    facts = {
        "seed": seed,
        "steps": training.step,
        "planned_steps": steps,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "minutes": round((spent + time.monotonic() - began) / 60.0, 1),
        "threads": threads,
        "hours_heard": round(seen / 3600, 1),
        "utterances": len(bank),
        "hours": hours_of_engines(bank),
    }
    return training.average, facts


def _step(net: AlignerNet, training: Training, examples: tuple, progress: float) -> tuple[float, float]:
    """One update; loss and share of frames right on this batch."""
    samples, labels = (torch.from_numpy(part) for part in examples)
    with torch.no_grad():
        features = _coloured(net.features(samples))
    with torch.autocast("cpu", torch.bfloat16):
        scores = net(features)
    loss = F.cross_entropy(scores.float(), labels)
    training.descend(loss, progress)
    return loss.item(), (scores.detach().argmax(dim=1) == labels).float().mean().item()


def _coloured(features: torch.Tensor) -> torch.Tensor:
    """Microphones and telephones: a tilt of up to 6 dB over the bands, and in a tenth of the examples no high bands."""
    size, mels, _ = features.shape
    tilt = torch.empty(size, 1, 1).uniform_(-0.3, 0.3) * torch.linspace(-0.5, 0.5, mels)[None, :, None]
    features = (features + tilt).clamp(min=-1.5)
    for index in range(size):
        if torch.rand(()) < 0.1:
            features[index, int(torch.randint(mels * 5 // 8, mels, ())) :] = -1.5
    return features


def write_card(out: Path, facts: dict[str, Any], card: dict[str, Any]) -> None:
    """README.md and scores.json beside the weights: what it is, how it was made, how well it does and on what."""
    (out / "scores.json").write_text(json.dumps(facts | card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    table = [
        "| engine | condition | dialect | characters | median ms | 95 % ms | bias ms | mean score | empty spans |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    columns = ("engine", "condition", "dialect", "characters", "median_ms", "p95_ms", "bias_ms", "score", "empty_spans")
    table += [f"| {' | '.join(str(row[column]) for column in columns)} |" for row in card["boundaries"]]
    drift = card["drift"]
    minutes = [
        f"| {name} | {drift[f'{name}_minute_mean_ms']} | {drift[f'{name}_minute_median_ms']} "
        f"| {drift[f'{name}_minute_p95_ms']} |"
        for name in ("first", "last")
    ]
    spoken = " and ".join(f"{hours:.1f} h by {engine}" for engine, hours in facts["hours"].items())
    text = f"""# aligner-micro

Finds where each character is heard in synthesized speech. **It learned from synthesized speech alone and is not for
real voices**; for those configure `MMS_FA` or another aligner.

* Network: convolutional U-net, {facts["parameters"]:,} parameters, 80 mel bands, one label each 10 ms; float32.
  Labels: blank, the letters a-z as the first of a syllable, and again as a later letter of one.
* Data: the studio's training sentences and voices (Mandarin, Cantonese, Sichuan, Tianjin),
  {spoken}, strung together at different speeds with pauses, rooms,
  and noise at 0 to 30 dB; {facts["hours_heard"]} h heard so.
* Training: cross-entropy on the synthesizer's own times, {facts["steps"]} of {facts["planned_steps"]} steps, seed
  {facts["seed"]}, {facts["threads"]} thread(s), {facts["minutes"]} minutes, bfloat16; `python -m recipes aligner`.

## Boundaries on synthesized speech, held-out sentences and held-out voices
Distance of starts and ends of characters from the truth; text romanised from its characters. Noise is pink and white.
"Wrong": that share of characters replaced by others; "missing": left out of the text.

{chr(10).join(table)}

Drift over {drift["seconds"]} s of speech in pink noise at 20 dB, {drift["empty_spans"]} empty spans:

| minute | mean ms | median ms | 95 % ms |
|---|---|---|---|
{chr(10).join(minutes)}
"""
    (out / "README.md").write_text(text, encoding="utf-8")


def main(
    bank: Annotated[Path, typer.Option(help="Folder of training utterances (studio.bank).")],
    held_out: Annotated[Path, typer.Option(help="Folder of held-out utterances.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")] = Path("checkpoints/aligner-micro"),
    state: Annotated[Path | None, typer.Option(help="Folder of the training state.")] = None,
    minutes: Annotated[float, typer.Option(help="Stop after this long.")] = 40.0,
    steps: Annotated[int, typer.Option(help="Updates in all.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of data and weights.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    resume: Annotated[bool, typer.Option(help="Go on from the saved state.")] = True,
) -> None:
    """Train the aligner on an utterance bank."""
    found = train(Bank(bank), Bank(held_out), out, minutes, steps, seed, threads, resume, state)
    Console().print_json(data=found)


if __name__ == "__main__":
    typer.run(main)
