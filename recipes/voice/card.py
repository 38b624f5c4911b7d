"""Measure voxcpm2-micro against its bars and write scores.json beside it.

`python -m studio.train.voice_card --bank BANK/train --held-out BANK/held_out`
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from model.voxcpm2 import load
from recipes.bank import Bank
from recipes.voice.scores import (
    Listener,
    clone_share,
    copy_rates,
    held_out_sentences,
    plain_rates,
    real_time_factor,
    seconds_per_character,
)
from recipes.voice.shape import DIALECTS
from studio.synthesis import speak
from studio.voices import voices

PER_DIALECT = 67
CLONES = 200


def measure(checkpoint: Path, bank: Path, held_out: Path, whisper: Path, diarization: Path) -> dict[str, Any]:
    """All figures of the card; rates are shares of one. `held_out` has unseen sentences by unseen voices."""
    model, unseen = load(checkpoint, device="cpu"), Bank(held_out)
    listener = Listener(whisper)
    found: dict[str, Any] = {"real_time_factor_batch_8": real_time_factor(model)}
    found["copy"] = copy_rates(model.audio_vae, unseen, listener, 30)
    found["plain"] = plain_rates(model, listener, PER_DIALECT, seconds_per_character(Bank(bank)))
    found["clones"] = {
        "trained voices": clone_share(model, _references(), CLONES, diarization),
        "unseen voices": clone_share(model, _unseen(unseen), CLONES // 2, diarization),
    }
    return found


def _references() -> list[tuple[Any, str]]:
    """Every second training voice with a held-out sentence."""
    import soxr

    spoken = []
    for number, voice in enumerate(voices()[::2]):
        dialect = DIALECTS[number % len(DIALECTS)]
        said = speak(held_out_sentences(dialect, 40, 11)[number % 40], voice, number)
        spoken.append((soxr.resample(said.samples, said.sample_rate, 16_000).astype("float32"), voice.voice_id))
    return spoken


def _unseen(bank: Bank) -> list[tuple[Any, str]]:
    return [(bank[index][0], bank.row(index)["voice_id"]) for index in range(0, len(bank), max(len(bank) // 80, 1))]


def _cli(
    bank: Annotated[Path, typer.Option(help="Bank of training utterances.")],
    held_out: Annotated[Path, typer.Option(help="Bank of held-out sentences and voices.")],
    checkpoint: Annotated[Path, typer.Option(help="Checkpoint folder.")] = Path("checkpoints/voxcpm2-micro"),
    whisper: Annotated[Path, typer.Option(help="Recogniser.")] = Path("checkpoints/whisper-micro"),
    diarization: Annotated[Path, typer.Option(help="Where the embedding lies.")] = Path(
        "checkpoints/diarization-micro"
    ),
    threads: int = 2,
) -> None:
    torch.set_num_threads(threads)
    scores = measure(checkpoint, bank, held_out, whisper, diarization)
    (checkpoint / "scores.json").write_text(json.dumps(scores, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(_cli)
