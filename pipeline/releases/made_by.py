"""What the segments of a release were made by: settings, stages, fingerprints of models, version of the code."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pipeline import batches, stage_list
from pipeline.errors import ModelUnavailable
from pipeline.lake.lake import Lake
from pipeline.project import PROJECT
from pipeline.recognition.checkpoints import fingerprint
from pipeline.settings import Settings, checkpoint_path
from pipeline.tasks import provenances, tasks_of

EMBEDDED = "checkpoints/"
_SECTIONS = (
    *("ingest", "diarize", "denoise", "given_text", "transcribe", "align", "score", "dialect"),
    *("speakers", "dedup", "splits", "dialects"),
)
"""Sections of the configuration that shape segments. The others say where and how fast, or hold secrets."""


def settings_of(settings: Settings) -> dict[str, Any]:
    """The sections that shape segments, as JSON; checkpoints that come with Fangyan by their path below it."""
    return {name: _portable(_json(getattr(settings, name))) for name in _SECTIONS}


def stages_of(settings: Settings) -> dict[str, Any]:
    """Version and parameters of each stage; the parameters hold the fingerprints of its models."""
    found: dict[str, Any] = {}
    for entry in stage_list.STAGES:
        try:
            parameters = json.loads(json.dumps(entry.build(settings).parameters(), default=str))
        except ModelUnavailable as error:
            parameters = {"unknown": str(error)}
        found[entry.name] = {"version": entry.stage_class.version, "parameters": _portable(parameters)}
    return found


def models_of(settings: Settings) -> list[dict[str, str]]:
    """Each model that the configuration names: for what, its name and the fingerprint of its files (or its address)."""
    named = [(section, getattr(settings, section).checkpoint) for section in ("diarize", "align", "dialect")]
    named += [(f"recognize: {one.label}", one.checkpoint or one.address) for one in settings.transcribe.used]
    models = []
    for purpose, name in named:
        if name:
            is_address = "://" in name
            digest = "" if is_address else fingerprint(name)
            models.append({"for": purpose, "name": _portable(name), "fingerprint": digest})
    return models


def code_version() -> str:
    """The version of Fangyan that is installed, or of the checkout."""
    try:
        return importlib.metadata.version("fangyan")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def not_current(settings: Settings, recording_ids: Collection[str]) -> int:
    """How many of these recordings have segments that other settings, models or inputs made than those of now.

    What a run would do again: changed settings and checkpoints, and corrections that no run has seen yet.
    """
    lake = Lake(settings.lake)
    ids = {row["source"]: row["recording_id"] for row in lake.rows("recordings", None, ("source", "recording_id"))}
    stale: set[str] = set()
    for entry in stage_list.STAGES:
        stage = entry.build(settings)
        for batch in batches.names(settings.root):
            try:
                tasks = tasks_of(stage, batch, settings, lake)
            except (ValueError, OSError):
                continue
            made = provenances(lake, batch, entry.name)
            stale |= {source for source, task in tasks.items() if made.get(source) != task.provenance}
    return len({ids[source] for source in stale if source in ids} & set(recording_ids))


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _portable(value: Any) -> Any:
    """Paths below the project as they are written in the configuration, and addresses without a name and a password."""
    if isinstance(value, dict):
        return {key: _portable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(item) for item in value]
    if not isinstance(value, str):
        return value
    if "://" in value and (parts := urlsplit(value)).username is not None:
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    path = Path(value)
    return path.relative_to(PROJECT).as_posix() if path.is_absolute() and path.is_relative_to(PROJECT) else value


def is_embedded(name: str) -> bool:
    """Whether a checkpoint came with Fangyan: all of those learned from synthesized speech."""
    local = Path(checkpoint_path(name))
    return name.startswith(EMBEDDED) or (local.is_absolute() and local.is_relative_to(PROJECT / EMBEDDED))
