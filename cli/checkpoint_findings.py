"""What doctor says of the checkpoints that a configuration names: what is there, what is missing, what does not fit.

No model is loaded and nothing is asked of the network.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.settings import PROJECT, Settings, checkpoint_path

State = Literal["ok", "missing", "warning", "would be downloaded", "info"]

_GATED = {"pyannote/speaker-diarization-community-1": "gated: accept its conditions and set HF_TOKEN"}
_LICENCES = {
    "pyannote/speaker-diarization-community-1": "CC-BY-4.0",
    "large-v3": "MIT",
    "MMS_FA": "CC-BY-NC 4.0",
    "openbmb/VoxCPM2": "Apache-2.0",
}
_FILES = {
    "faster-whisper": ("model.bin", "config.json", "tokenizer.json"),
    "pyannote": ("config.yaml",),
    "aligner": ("config.json", "model.safetensors"),
    "VoxCPM2": ("config.json",),
    "micro": ("config.json", "model.safetensors"),
    "transformers": ("config.json",),
    "onnx": ("model.onnx", "labels.json"),
}
"""What a folder must hold to be a checkpoint of that kind."""
_KIND_OF = {"diarize": "pyannote", "transcribe": "faster-whisper", "align": "aligner", "base_model": "VoxCPM2"}
_EMBEDDED = PROJECT / "checkpoints"
_ON_PEOPLE = {
    "diarize": "takes several people for one",
    "align": "refuses most true text",
    "dialect": "mistakes the dialects",
}
_KNOW_CANTONESE = ("large-v3", "large", "turbo", "large-v3-turbo", "distil-large-v3", "distil-large-v3.5")


@dataclass(frozen=True)
class Finding:
    """One line of the report; the pipeline cannot run while the state of one is missing."""

    subject: str
    state: State
    detail: str


def checkpoint(key: str, name: str, kind: str = "") -> Finding:
    """What is there of the checkpoint `name` of section `key`; `kind` is one of _FILES, by default the section's."""
    from pipeline.errors import ModelUnavailable
    from pipeline.recognition.checkpoints import is_path, locate

    subject = f"{key}.checkpoint"
    path = Path(checkpoint_path(name))
    folder = path if path.is_absolute() else PROJECT / Path(name).expanduser()
    if folder.is_dir():
        lacking = [file for file in _FILES[kind or _KIND_OF[key]] if not (folder / file).is_file()]
        if lacking:
            words = f"{folder} holds no {', '.join(lacking)}: it is no checkpoint for {kind or _KIND_OF[key]}"
            return Finding(subject, "missing", words)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
        return Finding(subject, "ok", f"{name}, {size:.1f} MB")
    if is_path(name):
        beside = [file.name for file in folder.parent.iterdir()] if folder.parent.is_dir() else []
        hint = _near(folder.name, beside) or "; `python -m recipes` rebuilds embedded ones"
        return Finding(subject, "missing", f"{folder} does not exist{hint}")
    known = _known(key, kind)
    try:
        locate(name, subject, known)
    except ModelUnavailable as error:
        return Finding(subject, "missing", f"{error}{_near(name, known)}")
    notes = [f"hub id {name}"]
    if name in _LICENCES:
        notes.append(f"licence {_LICENCES[name]}")
    elif name not in known and (near := _near(name, list(_LICENCES))):
        notes.append(f"not looked up{near}")
    if name in _GATED:
        notes.append(_GATED[name])
        if not os.environ.get("HF_TOKEN") and not cached(name):
            return Finding(subject, "missing", "; ".join(notes))
    return Finding(subject, "ok" if cached(name) else "would be downloaded", "; ".join(notes))


def mismatches(settings: Settings) -> Iterator[Finding]:
    """Warnings about checkpoints that are there and do not fit each other or the recordings."""
    from pipeline.recognition.aligners import MIN_SCORE, has_thresholds
    from pipeline.recognition.thresholds import without_own

    recognisers = settings.transcribe.used
    if any(not one.address and not is_embedded(one.checkpoint) for one in recognisers):
        for key, harm in _ON_PEOPLE.items():
            section = getattr(settings, key)
            if is_embedded(section.checkpoint) and getattr(section, "kind", "ctc") != "whisper":
                words = f"learned from synthesized speech alone and {harm} of people: name another beside a recogniser"
                yield Finding(f"{key}.checkpoint", "warning", f"{words} of people")
    if not has_thresholds(settings.align):
        bound = MIN_SCORE[settings.align.kind]
        words = f"{settings.align.checkpoint} has no thresholds.json and [align] names no min_score: {bound:g} is taken"
        yield Finding("align.checkpoint", "warning", f"{words}; `fangyan calibrate FOLDER` finds its own")
    if unknown := without_own(settings):
        words = f"{settings.diarize.checkpoint} has no thresholds.json for {' and '.join(unknown)}"
        yield Finding("diarize.checkpoint", "warning", f"{words}: those of the embedded embedding are taken")
    for one in recognisers:
        asked = not one.dialects or "yue" in one.dialects
        if one.kind == "faster-whisper" and asked and not knows_cantonese(one.checkpoint):
            words = f"{one.checkpoint} has no token for Cantonese: `yue` is recognised as zh, often written as Mandarin"
            yield Finding("transcribe.checkpoint", "warning", words)


def is_embedded(name: str) -> bool:
    """Whether it is one of the checkpoints that come with Fangyan."""
    return bool(name) and Path(checkpoint_path(name)).is_relative_to(_EMBEDDED)


def knows_cantonese(name: str) -> bool:
    """Whether a Whisper checkpoint has the token <|yue|>; one that is not on this machine by its name."""
    file = Path(checkpoint_path(name)) / "tokenizer.json"
    if file.is_file():
        return "<|yue|>" in file.read_text(encoding="utf-8", errors="replace")
    return name.rpartition("/")[2].removeprefix("faster-whisper-") in _KNOW_CANTONESE


def cached(name: str) -> bool:
    """Whether the hub's cache on this machine holds the model."""
    from huggingface_hub.constants import HF_HUB_CACHE

    if name == "MMS_FA":
        import torch

        return (Path(torch.hub.get_dir()) / "checkpoints" / "model.pt").exists()
    repository = name if "/" in name else f"Systran/faster-whisper-{name}"
    return (Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}").is_dir()


def _known(key: str, kind: str) -> list[str]:
    """Names that the library of a section knows by itself."""
    from pipeline.recognition import whisper
    from pipeline.recognition.alignment import KNOWN

    if (kind or _KIND_OF[key]) == "faster-whisper":
        return whisper.known()
    return list(KNOWN) if key == "align" else []


def _near(name: str, others: list[str]) -> str:
    near = difflib.get_close_matches(name, others, 2, 0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""
