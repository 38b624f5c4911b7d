"""`fangyan finetune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.terminal import stop


def finetune(
    train: Annotated[
        Path, typer.Argument(metavar="TRAIN", help="JSONL: audio, text; optional ref_audio, dialect, duration")
    ],
    base: Annotated[Path, typer.Option(help="the VoxCPM2 directory to start from, here or in the project")],
    out: Annotated[Path, typer.Option(help="folder for weights, curves and checkpoints; goes on from the last one")],
    dev: Annotated[Path | None, typer.Option(help="JSONL to validate on; its best step is kept")] = None,
    full: Annotated[bool, typer.Option("--full", help="train every weight instead of LoRA")] = False,
    rank: Annotated[int, typer.Option(min=1, help="of LoRA")] = 32,
    alpha: Annotated[float | None, typer.Option(help="of LoRA; default: the rank")] = None,
    steps: Annotated[int, typer.Option(min=1, help="optimiser steps")] = 1000,
    learning_rate: Annotated[float | None, typer.Option(help="peak; default: 1e-4, in full 1e-5")] = None,
    warmup: Annotated[int, typer.Option(min=0, help="steps up to the peak")] = 100,
    batch_tokens: Annotated[int, typer.Option(min=1, help="most positions of a pack; lower it to save memory")] = 8192,
    batch_samples: Annotated[int, typer.Option(min=1, help="most clips of a pack")] = 2,
    accumulate: Annotated[int, typer.Option(min=1, help="packs a step, over all processes")] = 8,
    reference_share: Annotated[float, typer.Option(min=0, max=1, help="of clips that have a ref_audio")] = 0.4,
    precision: Annotated[str, typer.Option(help="auto, bf16-mixed or 32-true")] = "auto",
    gradient_checkpointing: Annotated[bool, typer.Option("--gradient-checkpointing", help="save memory")] = False,
    strategy: Annotated[str, typer.Option(help="ddp or fsdp, under torchrun")] = "ddp",
    ema: Annotated[float, typer.Option(min=0, max=1, help="decay of averaged weights; 0: none")] = 0.0,
    seed: Annotated[int, typer.Option(help="of order, references, noise and LoRA's start")] = 42,
    eval_every: Annotated[int, typer.Option(min=1, help="steps between validations")] = 100,
    save_every: Annotated[int, typer.Option(min=1, help="steps between checkpoints")] = 100,
    patience: Annotated[int, typer.Option(min=0, help="validations without a better one until it stops; 0: never")] = 5,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="go on without bad lines")] = False,
    cache: Annotated[Path, typer.Option(help="folder for encoded clips")] = Path("workspace/cache/latents"),
) -> None:
    """Fine-tune a model on clips and texts. Start it again to go on; under torchrun it runs on many GPUs."""
    from pydantic import ValidationError

    from model.finetune.config import FineTuneConfig

    try:
        config = FineTuneConfig.model_validate(
            {
                "kind": "full" if full else "lora",
                "rank": rank,
                "alpha": rank if alpha is None else alpha,
                "steps": steps,
                "learning_rate": learning_rate,
                "warmup": warmup,
                "batch_tokens": batch_tokens,
                "batch_samples": batch_samples,
                "accumulate": accumulate,
                "reference_share": reference_share,
                "precision": precision,
                "gradient_checkpointing": gradient_checkpointing,
                "strategy": strategy,
                "ema": ema,
                "seed": seed,
                "eval_every": eval_every,
                "save_every": save_every,
                "patience": patience,
                "skip_bad": skip_bad,
            }
        )
    except ValidationError as error:
        stop("; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()))
    from cli.progress import bad_lines, progress_bars
    from model.finetune.manifest import BadData
    from model.finetune.train import fine_tune
    from pipeline.settings import checkpoint_path

    base = base if base.is_dir() else Path(checkpoint_path(str(base)))
    try:
        with progress_bars() as (encoded, progress):
            report = fine_tune(base, train, dev, out, config, cache, progress, encoded)
    except BadData as error:
        Console(stderr=True).print(bad_lines(error.problems))
        stop("nothing was trained; correct or drop these lines, or go on without them with --skip-bad")
    except (ValueError, OSError, RuntimeError) as error:
        stop(str(error))
    best = "" if report.best_loss is None else f", validation loss {report.best_loss:.4f} at step {report.best_step}"
    best += ", stopped early" if report.stopped_early else ""
    Console().print(
        f"{out}: {report.kind}, {report.trained_parameters:,} parameters, {report.steps} steps in "
        f"{report.wall_seconds:.1f} s{best}; {report.samples} clips, "
        f"{report.audio_seconds:.1f} s of audio, {report.skipped} bad lines skipped; {report.hardware}, "
        f"{report.processes} processes, {report.precision}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
