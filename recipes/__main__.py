"""`python -m recipes`: rebuilds the embedded checkpoints from nothing, on synthesized speech."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(
    help="Rebuild an embedded checkpoint from nothing.", no_args_is_help=True, pretty_exceptions_enable=False
)

BankFolder = Annotated[Path, typer.Option(help="folder that `python -m recipes bank` filled: train/ and held_out/")]
Minutes = Annotated[float, typer.Option(help="end the training after so many minutes")]
BeginWith = Annotated[
    Path | None,
    typer.Option("--from", help="weights to begin with: a checkpoint folder; of ctc, a training's state.pt"),
]
Threads = Annotated[int, typer.Option(help="CPU threads; results are the same for the same number")]


@app.command("bank")
def bank(
    out: Annotated[Path, typer.Option(help="folder for train/ and held_out/")] = Path("workspace/bank"),
    hours: Annotated[float, typer.Option(help="hours of training speech; 2 GB for 10 h")] = 10.0,
    held_out_hours: Annotated[float, typer.Option(help="hours of unseen sentences by unseen voices")] = 0.5,
    seed: Annotated[int, typer.Option(help="same seed, same bytes")] = 1,
    kokoro_share: Annotated[
        float, typer.Option(min=0, max=1, help="of the Mandarin varieties' utterances are spoken by Kokoro")
    ] = 0.0,
) -> None:
    """Speak the utterances that the embedded checkpoints learn from; can be interrupted and repeated."""
    from recipes.bank import build_bank

    build_bank(out / "train", hours, seed, held_out=False, kokoro_share=kokoro_share)
    build_bank(out / "held_out", held_out_hours, seed + 1, held_out=True, kokoro_share=kokoro_share)


@app.command("mix")
def mix(
    banks: Annotated[list[str], typer.Argument(help="folders of shards; with *N behind, taken N times")],
    out: Annotated[Path, typer.Option(help="folder for links to their shards")],
) -> None:
    """Make one bank of several, some of it taken more often, without copying."""
    from recipes.mixture import link_shards

    link_shards(banks, out)


@app.command("whisper")
def train_whisper(
    bank: BankFolder = Path("workspace/bank"),
    out: Annotated[Path, typer.Option(help="checkpoint folder")] = Path("checkpoints/whisper-micro"),
    minutes: Minutes = 60.0,
    threads: Threads = 2,
    begin_with: BeginWith = None,
) -> None:
    """Rebuild whisper-micro; a killed training goes on where it was."""
    from recipes.whisper.train import train

    train(
        bank / "train",
        bank / "held_out",
        out,
        minutes=minutes,
        threads=threads,
        state=bank / "whisper-state",
        begin_with=begin_with,
    )


@app.command("aligner")
def train_aligner(
    bank: BankFolder = Path("workspace/bank"),
    out: Annotated[Path, typer.Option(help="checkpoint folder")] = Path("checkpoints/aligner-micro"),
    minutes: Minutes = 40.0,
    threads: Threads = 2,
    begin_with: BeginWith = None,
) -> None:
    """Rebuild aligner-micro; a killed training goes on where it was."""
    from recipes.aligner.train import train
    from recipes.bank import Bank

    spoken, unseen = Bank(bank / "train"), Bank(bank / "held_out")
    train(spoken, unseen, out, minutes=minutes, threads=threads, state=bank / "aligner-state", begin_with=begin_with)


@app.command("ctc")
def train_ctc(
    bank: BankFolder = Path("workspace/bank"),
    out: Annotated[Path, typer.Option(help="checkpoint folder")] = Path("checkpoints/ctc-micro"),
    minutes: Minutes = 45.0,
    threads: Threads = 1,
    begin_with: BeginWith = None,
    kokoro_held_out: Annotated[Path | None, typer.Option(help="unseen speech by Kokoro, measured apart")] = None,
) -> None:
    """Rebuild ctc-micro, a recogniser for sherpa-onnx; a killed training goes on where it was."""
    from recipes.ctc.card import write_card
    from recipes.ctc.export import export
    from recipes.ctc.train import train

    state = bank / "ctc-state"
    trained = train(bank / "train", bank / "held_out", state, minutes=minutes, threads=threads, begin_with=begin_with)
    export(state / "state.pt", out)
    write_card(trained.state(), out, bank / "held_out", bank / "train", kokoro_held_out=kokoro_held_out)


@app.command("diarization")
def train_diarization(
    bank: BankFolder = Path("workspace/bank"),
    out: Annotated[Path, typer.Option(help="checkpoint folder")] = Path("checkpoints/diarization-micro"),
) -> None:
    """Rebuild diarization-micro: segmentation, embedding, PLDA; a killed training goes on where it was."""
    from functools import partial

    from recipes.bank import Bank
    from recipes.diarization.embedding import EmbeddingPlan, train_embedding
    from recipes.diarization.export import export
    from recipes.diarization.segmentation import SegmentationPlan, train_segmentation

    state, unseen, spoken = bank / "diarization-state", Bank(bank / "held_out"), partial(Bank, bank / "train")
    log = Console(stderr=True).print
    train_segmentation(spoken, state / "segmentation.pt", SegmentationPlan(), unseen, log)
    train_embedding(spoken, state / "embedding.pt", EmbeddingPlan(), unseen, log)
    export(state, spoken(), out)


@app.command("dialect")
def train_dialect(
    bank: BankFolder = Path("workspace/dialect-bank"),
    out: Annotated[Path, typer.Option(help="checkpoint folder")] = Path("checkpoints/dialect-micro"),
    minutes: Minutes = 40.0,
    steps: Annotated[int, typer.Option(help="updates in all")] = 2000,
    threads: Threads = 1,
) -> None:
    """Rebuild dialect-micro, bank (words and tones crossed) and network; a killed training goes on where it was."""
    from recipes.bank import Bank, build_bank
    from recipes.dialect.speech import KINDS, say_kind
    from recipes.dialect.train import train

    for name, hours, seed in (("train", 6.0, 1), ("held_out", 2.0, 2)):
        held_out, kinds = name == "held_out", tuple(KINDS)
        build_bank(bank / name, hours, seed, held_out, dialects=kinds, shard_hours=0.5, say=say_kind)
    spoken, unseen = Bank(bank / "train"), Bank(bank / "held_out")
    train(spoken, unseen, out, minutes, steps, threads=threads, state=bank / "dialect-state")


@app.command("voice")
def train_voice(
    bank: BankFolder = Path("workspace/voice-bank"),
    out: Annotated[Path, typer.Option(help="checkpoint folder")] = Path("checkpoints/voxcpm2-micro"),
    minutes: Minutes = 180.0,
    threads: Threads = 2,
) -> None:
    """Rebuild voxcpm2-micro, bank (without Tianjin), AudioVAE and network; a killed training goes on where it was."""
    from recipes.bank import build_bank
    from recipes.voice.shape import DIALECTS
    from recipes.voice.train import train

    build_bank(bank / "train", 9.0, 1, held_out=False, workers=threads, dialects=DIALECTS, shard_hours=0.1)
    train(bank / "train", out, minutes, threads, state=bank / "voice-state")


if __name__ == "__main__":
    app()
