"""Train dialect-micro on CPU, resumable; then set its temperatures on some held-out voices and score it on others.

`python -m recipes dialect`; run again to go on.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch.nn import functional as F

from pipeline.recognition.dialect_micro import DialectConfig, DialectNet, MicroIdentifier, save_checkpoint
from recipes.bank import Bank
from recipes.dialect.card import write_card
from recipes.dialect.data import Batch, Examples, analyse, target
from recipes.dialect.scores import score_card, windows
from recipes.dialect.speech import KINDS, LABELS
from recipes.loop import Training
from recipes.state import load_state, save_state

LEARNING_RATE = 3e-3
WARMUP_STEPS = 100
AVERAGE = 0.995
BATCH = 48
SAVE_EVERY_SECONDS = 60.0
REPORT_EVERY_STEPS = 50
WINDOW_SECONDS = 5.0
CALIBRATED_SECONDS = (1.0, 2.0, 3.0, 5.0)
_TEMPERATURES = np.geomspace(0.3, 4.0, 60)


def train(
    bank: Bank,
    held_out: Bank,
    out: Path,
    minutes: float = 40.0,
    steps: int = 2000,
    seed: int = 0,
    threads: int = 1,
    state: Path | None = None,
    workers: int = 2,
) -> dict[str, Any]:
    """`fit`, `calibrate`, score and write the card; returns the facts of the training and the scores."""
    net, facts = fit(bank, out, minutes, steps, seed, threads, state, workers=workers)
    first, second = halves(held_out)
    net = calibrate(net, held_out, first)
    save_checkpoint(out, net, WINDOW_SECONDS)
    card = score_card(MicroIdentifier(net), held_out, second, seed)
    facts |= {"temperatures": net.config.temperatures, "calibration_voices": len(first)}
    write_card(out, facts, card)
    return facts | card


def fit(
    bank: Bank,
    out: Path,
    minutes: float,
    steps: int,
    seed: int = 0,
    threads: int = 1,
    state: Path | None = None,
    config: DialectConfig | None = None,
    workers: int = 2,
    stop_at: int | None = None,
) -> tuple[DialectNet, dict[str, Any]]:
    """Train to `steps` or until `minutes` of this call are over; the network with averaged weights, and what was done.

    The state (default: folder `dialect-state` beside `out`) is saved whole every minute, and a later call goes on from
    it. Equal bank, seed and threads give equal weights however often training was interrupted. `workers` processes
    analyse the bank before; `stop_at` ends the call at that step, as a kill would.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    state = state or out.parent / "dialect-state"
    state.mkdir(parents=True, exist_ok=True)
    net = DialectNet(config or DialectConfig(LABELS)).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=0.02, betas=(0.9, 0.98))
    training = Training(net, {"adam": optimizer}, WARMUP_STEPS, AVERAGE, clip=2.0)
    spent = 0.0
    saved = load_state(state / "state.pt")
    if saved and saved["seed"] == seed:
        training.load(saved)
        spent = saved["spent"]
    analyse(bank.path, state / "analysed", seed, workers)
    examples = Examples(state / "analysed", seed, BATCH)
    began = last_save = time.monotonic()
    log = Console(soft_wrap=True).print

    def keep() -> None:
        save_state(state / "state.pt", training.state() | {"seed": seed, "spent": spent + time.monotonic() - began})

    total = {"loss": 0.0, "right": 0.0}
    while training.step < min(steps, stop_at or steps) and time.monotonic() - began < 60.0 * minutes:
        for name, value in _update(net, training, examples.batch(training.step), training.step / steps).items():
            total[name] += value
        if training.step % REPORT_EVERY_STEPS == 0:
            means = " ".join(f"{name} {value / REPORT_EVERY_STEPS:.4f}" for name, value in total.items())
            log(f"step {training.step} {means} {(spent + time.monotonic() - began) / 60:.1f} min")
            total = dict.fromkeys(total, 0.0)
        if time.monotonic() - last_save > SAVE_EVERY_SECONDS:
            keep()
            last_save = time.monotonic()
    keep()
    facts = {
        "seed": seed,
        "steps": training.step,
        "planned_steps": steps,
        "batch": BATCH,
        "minutes": round((spent + time.monotonic() - began) / 60, 1),
        "threads": threads,
        "parameters": sum(each.numel() for each in net.parameters()),
        "hours": round(bank.hours, 1),
        "voices": len(set(bank.table["voice_id"].to_pylist())),
    }
    return training.average, facts


def halves(bank: Bank) -> tuple[list[str], list[str]]:
    """The bank's voices in two parts: those that the temperature is set on, and those that are scored."""
    voices = sorted(set(bank.table["voice_id"].to_pylist()))
    return voices[0::3], [voice for place, voice in enumerate(voices) if place % 3]


def calibrate(net: DialectNet, bank: Bank, voices: list[str]) -> DialectNet:
    """The network with the temperature of least cross-entropy (Guo et al. 2017) for windows of each length.

    On speech as the studio speaks it: a shorter window has less to go by, and is not to be surer than it is right.
    """
    net.eval()
    found = []
    for seconds in CALIBRATED_SECONDS:
        clips = [(samples, kind) for samples, kind in windows(bank, seconds, voices) if KINDS[kind].label == kind]
        with torch.inference_mode():
            scores = torch.cat([net(net.features(torch.from_numpy(samples)[None])) for samples, _ in clips])
            wanted = torch.from_numpy(np.stack([target(KINDS[kind].label) for _, kind in clips]))
            losses = [float(F.cross_entropy(scores / value, wanted)) for value in _TEMPERATURES]
        found.append((seconds, round(float(_TEMPERATURES[int(np.argmin(losses))]), 3)))
    net.config = replace(net.config, temperatures=tuple(found))
    return net


def _update(net: DialectNet, training: Training, batch: Batch, progress: float) -> dict[str, float]:
    torch.manual_seed(training.step)
    wanted = batch.targets
    with torch.autocast("cpu", torch.bfloat16):
        scores = net(batch.features)
    loss = F.cross_entropy(scores.float(), wanted, label_smoothing=0.02)
    training.descend(loss, progress)
    sure = wanted.amax(1) > 0.5
    right = (scores.detach().argmax(1) == wanted.argmax(1))[sure].float().mean()
    return {"loss": loss.item(), "right": float(right)}
