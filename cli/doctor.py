"""What this machine has and whether the configured pipeline can run on it: `fangyan doctor`."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.text import Text

from cli.terminal import Config, WorkspaceFolder, read_settings, stop
from pipeline import stage_list
from pipeline.engine.machine import usable_cores
from pipeline.engine.placement import in_words, workers_of
from pipeline.settings import PROJECT, RecognizerSettings, Settings

State = Literal["ok", "missing", "would be downloaded", "info"]
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
_GATED = {"pyannote/speaker-diarization-community-1": "gated: accept its conditions and set HF_TOKEN"}
_LICENCES = {
    "pyannote/speaker-diarization-community-1": "CC-BY-4.0",
    "large-v3": "MIT",
    "MMS_FA": "CC-BY-NC 4.0",
    "openbmb/VoxCPM2": "Apache-2.0",
}


_COLOURS = {"ok": "green", "missing": "red", "would be downloaded": "yellow", "info": "dim"}


@dataclass(frozen=True)
class Finding:
    """One line of the report; the pipeline cannot run while the state of one is missing."""

    subject: str
    state: State
    detail: str


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
    for package in PACKAGES:
        yield _package(package)
    for entry in stage_list.STAGES:
        section = getattr(settings, entry.name, None)
        several = getattr(section, "recognizers", ())
        for recognizer in several:
            yield _recognizer(recognizer)
        checkpoint = getattr(section, "checkpoint", None)
        if checkpoint is not None and not several:
            yield _checkpoint(entry.name, checkpoint)
        placements = workers_of(entry.name, entry.build(settings).resources, settings.engine)
        yield Finding(entry.name, "info", in_words(placements))
    voice = _checkpoint("base_model", settings.base_model.checkpoint)
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


def _checkpoint(key: str, name: str) -> Finding:
    from pipeline.errors import ModelUnavailable
    from pipeline.recognition import whisper
    from pipeline.recognition.alignment import KNOWN
    from pipeline.recognition.checkpoints import is_path, locate

    subject = f"{key}.checkpoint"
    folder = Path(name) if Path(name).is_absolute() else PROJECT / name
    if folder.is_dir():
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
        return Finding(subject, "ok", f"{name}, {size:.1f} MB")
    if is_path(name):
        return Finding(subject, "missing", f"{folder} does not exist; `python -m recipes` rebuilds embedded ones")
    try:
        locate(name, subject, whisper.known() if key == "transcribe" else KNOWN if key == "align" else ())
    except ModelUnavailable as error:
        return Finding(subject, "missing", str(error))
    notes = [f"hub id {name}"]
    if name in _LICENCES:
        notes.append(f"licence {_LICENCES[name]}")
    if name in _GATED:
        notes.append(_GATED[name])
        if not os.environ.get("HF_TOKEN") and not _cached(name):
            return Finding(subject, "missing", "; ".join(notes))
    return Finding(subject, "ok" if _cached(name) else "would be downloaded", "; ".join(notes))


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
        found = _checkpoint("transcribe", settings.checkpoint)
        return replace(found, subject=subject, detail=f"{settings.kind}: {found.detail}; for {heard}")
    return Finding(subject, "ok", f"{settings.kind}: {there}; for {heard}")


def _cached(name: str) -> bool:
    """Whether the hub's cache on this machine holds the model."""
    from huggingface_hub.constants import HF_HUB_CACHE

    if name == "MMS_FA":
        import torch

        return (Path(torch.hub.get_dir()) / "checkpoints" / "model.pt").exists()
    repository = name if "/" in name else f"Systran/faster-whisper-{name}"
    return (Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}").is_dir()
