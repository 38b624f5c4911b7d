"""`fine_tune`: a manifest and a base model to trained weights, in one process or many, resumable at any moment."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from model.finetune import report as reports
from model.finetune.checkpoints import Checkpoints, claim, read_state
from model.finetune.config import FineTuneConfig
from model.finetune.latents import LatentCache
from model.finetune.loop import Progress, Run
from model.finetune.manifest import BadData, Problem
from model.finetune.processes import start
from model.finetune.report import FineTuneReport
from model.finetune.samples import Encoded, Sample, encode_share, prepare
from model.voxcpm2 import load
from model.voxcpm2.checkpoint import WEIGHTS
from pipeline.lake.files import file_sha256

__all__ = ["FineTuneReport", "fine_tune"]


def fine_tune(
    base: Path,
    train: Path,
    dev: Path | None,
    out: Path,
    config: FineTuneConfig,
    cache: Path,
    progress: Progress | None = None,
    encoded: Encoded | None = None,
) -> FineTuneReport:
    """Train on the JSONL `train`, validate on `dev`, leave the best weights (without `dev`: the last) in `out`.

    `base` is a VoxCPM2 directory, `cache` a folder for latents that runs may share. A run that was killed goes on from
    its last checkpoint when called again with the same arguments; a finished one only gives its report again, and goes
    on when it is given more steps. SIGINT and SIGTERM end it after a step, saved. `out`/tensorboard has its curves.
    `progress` is told (step, total, losses) after each step, `encoded` (done, total) while clips are encoded.
    Raises BadData before training starts, CannotResume, OutOfMemory, Diverged, ConfigError, CheckpointError, LoraError.
    """
    if config.kind == "full" and out.resolve() == base.resolve():
        raise ValueError(f"{out}: the result would overwrite the base; choose another folder")
    fabric = start(config)
    model = load(base, device=fabric.device, dtype="float32")
    latents = LatentCache(cache, model, config.max_seconds)
    manifests = [path for path in (train, dev) if path is not None]
    if fabric.world_size > 1:
        for path in manifests:
            encode_share(path, latents, fabric.global_rank, fabric.world_size)
        fabric.barrier()
    most = min(config.batch_tokens, model.config.max_length)
    read = [prepare(path, latents, model, most, encoded if fabric.is_global_zero else None) for path in manifests]
    problems = _problems(read, manifests)
    if problems and not config.skip_bad:
        raise BadData(problems)
    samples, held_out = read[0][0], read[1][0] if dev is not None else []
    checkpoints = Checkpoints(out / "checkpoints", config.keep)
    if fabric.is_global_zero:
        out.mkdir(parents=True, exist_ok=True)
        identity = {
            **config.settled(),
            "base": file_sha256(base / WEIGHTS),
            "train": _fingerprint(samples),
            "dev": _fingerprint(held_out),
        }
        last = checkpoints.latest()
        claim(out / "run.json", identity, None if last is None else read_state(last).step)
    fabric.barrier()
    run = Run(fabric, model, base, samples, held_out, latents, checkpoints, config)
    run.train(progress)
    result = run.report(out, skipped=len(problems))
    if fabric.is_global_zero:
        run.export(out)
        reports.write(result)
    fabric.barrier()
    return result


def _problems(read: Sequence[tuple[list[Sample], list[Problem]]], manifests: Sequence[Path]) -> list[Problem]:
    """Of all manifests; a manifest without a usable line is a problem that cannot be skipped."""
    problems = [problem for _, found in read for problem in found]
    empty = [
        Problem(path, 0, "nothing_usable", "has no line that can be used")
        for path, (samples, _) in zip(manifests, read, strict=True)
        if not samples
    ]
    if empty:
        raise BadData(problems + empty)
    return problems


def _fingerprint(samples: Sequence[Sample]) -> str:
    """Of everything that training sees of the samples, in their order."""
    digest = hashlib.sha256()
    for sample in samples:
        reference = sample.reference.key if sample.reference else ""
        digest.update("\0".join((sample.clip.key, reference, sample.control, sample.text, sample.dialect, "")).encode())
    return digest.hexdigest()
