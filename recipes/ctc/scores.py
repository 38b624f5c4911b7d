"""Character error rates of ctc-micro on held-out utterances, in training by its own best path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from recipes.bank import Bank
from recipes.ctc.data import BLANK, Clip, collate
from recipes.ctc.model import CtcNet
from recipes.whisper.scores import character_error_rate, chosen, held_out_noise, in_noise

PER_DIALECT = 15
TOGETHER = 10


def greedy_rates(
    net: CtcNet, characters: Sequence[str], held_out: Path, per_dialect: int = PER_DIALECT
) -> dict[str, float]:
    """CER of the best path, clean and at 10 dB."""
    bank = Bank(held_out)
    noise = held_out_noise(bank)
    indexes = chosen(bank, per_dialect)
    rates: dict[str, float] = {}
    for condition in ("clean", "10dB"):
        references: list[str] = []
        texts: list[str] = []
        for begin in range(0, len(indexes), TOGETHER):
            clips = []
            for index in indexes[begin : begin + TOGETHER]:
                samples, row = bank[index]
                clips.append(Clip(in_noise(samples, noise, index) if condition == "10dB" else samples, []))
                references.append("".join(row["characters"]))
            texts += best_paths(net, characters, clips)
        rates[f"CER {condition}"] = character_error_rate(references, texts)
    return rates


def best_paths(net: CtcNet, characters: Sequence[str], clips: Sequence[Clip]) -> list[str]:
    """The characters on each clip's best path, repetitions of a label taken as one."""
    batch = collate(clips)
    net.eval()
    with torch.inference_mode():
        scores, _, frames = net(batch.features, batch.lengths)
    paths: list[list[int]] = scores.argmax(-1).tolist()
    texts: list[str] = []
    for path, length in zip(paths, frames.tolist(), strict=True):
        kept = [label for label, before in zip(path[:length], [BLANK, *path], strict=False) if label != before]
        said: list[str] = [characters[label - 1] for label in kept if label != BLANK]
        texts.append("".join(said))
    return texts
