"""What this machine has and whether the configured pipeline can run on it: `fangyan doctor`."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.checkpoint_findings import Finding, checkpoint, mismatches
from cli.cluster_findings import cluster
from cli.store_findings import stores
from cli.terminal import Config, WorkspaceFolder, read_settings, stop
from pipeline import stage_list
from pipeline.corpus import outlook, tiers
from pipeline.engine.machine import usable_cores
from pipeline.engine.placement import in_words, workers_of
from pipeline.recognition.resources import gpu_memory_gb
from pipeline.settings import RecognizerSettings, Settings
from pipeline.stage import Resources

PACKAGES = (
    "torch",
    "torchaudio",
    "pyannote.audio",
    "faster-whisper",
    "ctranslate2",
    "sherpa-onnx",
    "onnxruntime",
    "dagster",
    "pyarrow",
    "duckdb",
    "av",
    "pyrnnoise",
    "speechmos",
    "praat-parselmouth",
)
_COLOURS = {"ok": "green", "missing": "red", "warning": "yellow", "would be downloaded": "yellow", "info": "dim"}


def doctor(config: Config = None, workspace: WorkspaceFolder = None) -> None:
    """Say what this machine has, which checkpoints are configured, and whether it can run (exit code 1 if not)."""
    findings = list(examine(read_settings(config, workspace)))
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        line = Text.assemble(f"{finding.subject:<{width}}  ", (f"{finding.state:<19}", _COLOURS[finding.state]))
        Console().print(line.append(f"  {finding.detail}"), soft_wrap=True, highlight=False)
    if not can_run(findings):
        stop("what is configured cannot run here: see what is marked missing")


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything worth knowing about this machine for this configuration, most general first."""
    yield Finding("python", "info", platform.python_version())
    yield Finding("cores", "info", _cores())
    yield Finding("memory", "info", f"{_memory_gb():.1f} GB")
    yield from _graphics()
    settings.root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.root).free / 1e9
    yield Finding("workspace", "ok" if free > 1 else "missing", f"{settings.root}, {free:.0f} GB free")
    yield from stores(settings)
    for package in PACKAGES:
        yield _package(package)
    for entry in stage_list.STAGES:
        section = getattr(settings, entry.name, None)
        several = getattr(section, "recognizers", ())
        for recognizer in several:
            yield _recognizer(recognizer)
        if hasattr(section, "checkpoint") and not several:
            yield _named(entry.name, section)
        if settings.engine.kind == "local":
            yield _workers(entry.name, entry.build(settings).resources, settings)
    if settings.engine.kind == "ray":
        yield from cluster(settings)
    if settings.dialect.checkpoint:
        yield checkpoint("dialect", settings.dialect.checkpoint, settings.dialect.kind)
    yield from mismatches(settings)
    yield from _qualifying(settings)
    voice = checkpoint("base_model", settings.base_model.checkpoint)
    # The pipeline makes a corpus without it; only `fangyan voice` does not run.
    yield replace(voice, state="info", detail=f"no voice: {voice.detail}") if voice.state == "missing" else voice


def can_run(findings: list[Finding]) -> bool:
    """True if nothing that the configured pipeline needs is missing."""
    return all(finding.state != "missing" for finding in findings)


def _cores() -> str:
    """How many, how many of them may be used, and how many processes want to run."""
    usable = usable_cores()
    words = f"{os.cpu_count()}" if usable == os.cpu_count() else f"{os.cpu_count()}, of which {usable} may be used"
    return f"{words}; load {os.getloadavg()[0]:.1f}; OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}"


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _graphics() -> Iterator[Finding]:
    import torch

    if not torch.cuda.is_available():
        yield Finding("gpu", "info", "none: everything runs on the CPU")
        return
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        yield Finding(f"gpu {number}", "info", f"{properties.name}, {properties.total_memory / 1e9:.0f} GB")


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", "not installed; install Fangyan again: pip brings it")


def _named(key: str, section: Any) -> Finding:
    """What is there of the checkpoint of a stage's section."""
    whisper = key == "align" and getattr(section, "kind", "ctc") == "whisper"
    return checkpoint(key, section.checkpoint, "faster-whisper" if whisper else "")


def _workers(stage: str, resources: Resources, settings: Settings) -> Finding:
    """How many workers a stage gets and where, and whether those on the CPU fit into this machine's memory."""
    placements = workers_of(stage, resources, settings.engine)
    name = getattr(getattr(settings, stage, None), "checkpoint", "")
    each = max(resources.memory_gb, gpu_memory_gb(name) if name and resources.gpus == 0 else 0.0)
    needed, there = each * len(placements), _memory_gb()
    words = f"{in_words(placements)}, about {needed:.1f} GB of main memory"
    if needed <= there:
        return Finding(stage, "info", words)
    fewer = max(1, int(there // each))
    return Finding(
        stage, "warning", f"{words}, and this machine has {there:.1f}: [engine] workers_of = {{ {stage} = {fewer} }}"
    )


def _qualifying(settings: Settings) -> Iterator[Finding]:
    """Whether segments can be and are good enough for a voice, by what [training_set] asks for."""
    problem = tiers.impossible(settings)
    if problem:
        yield Finding("training_set.tiers", "warning", problem)
        return
    for dialect, found in outlook.of_all(settings).items():
        yield Finding(f"voice {dialect}", "warning" if found.problem else "info", found.words)


def _recognizer(settings: RecognizerSettings) -> Finding:
    from pipeline.errors import ModelUnavailable
    from pipeline.recognition import recognizers

    subject = f"recogniser {settings.name}"
    heard = ", ".join(settings.dialects) or "all dialects"
    try:
        there = recognizers.at_hand(settings)
    except ModelUnavailable as error:
        return Finding(subject, "missing", str(error))
    if there is None:
        found = checkpoint("transcribe", settings.checkpoint)
        return replace(found, subject=subject, detail=f"{settings.kind}: {found.detail}; for {heard}")
    return Finding(subject, "ok", f"{settings.kind}: {there}; for {heard}")
