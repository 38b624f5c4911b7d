"""Thresholds that belong to a checkpoint: `thresholds.json` in its folder, beside the weights that they were found for.

    {"transcribe": {"min_avg_logprob": -0.8, "dialects": {"wuu": {"min_avg_logprob": -0.5}}},
     "align": {"min_score": 0.3}, "dialect": {"temperature": 1.8}}

By stage, names as in the stage's section of the configuration; what stands under `dialects` goes before the rest. A
value in the configuration goes before the file's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import ModelUnavailable
from pipeline.lake.files import replace_bytes
from pipeline.settings import Settings, checkpoint_path

FILE = "thresholds.json"
_DIALECTS = "dialects"


def stored(checkpoint: str, stage: str, dialect: str = "") -> dict[str, float]:
    """The thresholds of a stage that lie in a checkpoint's folder; {} where there are none, as for a hub id.

    Raises ModelUnavailable if the file is not what is described above.
    """
    file = Path(checkpoint_path(checkpoint)) / FILE
    if not checkpoint or not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        of_stage = dict(content.get(stage, {}))
        of_dialect = of_stage.pop(_DIALECTS, {}).get(dialect, {})
        return {name: float(value) for name, value in (of_stage | of_dialect).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelUnavailable(f"{file}: no thresholds by stage, such as {{{stage!r}: {{...}}}}: {error}") from error


def store(checkpoint: str, stage: str, values: Mapping[str, float], dialect: str = "") -> Path:
    """Put values of a stage into the checkpoint's file, beside what is there. Raises ModelUnavailable if the checkpoint
    is no folder of this machine."""
    folder = Path(checkpoint_path(checkpoint))
    if not checkpoint or not folder.is_dir():
        words = ", ".join(f"{name} = {value:g}" for name, value in values.items())
        raise ModelUnavailable(f"{checkpoint} is no folder of this machine: write {words} into [{stage}] instead")
    stored(checkpoint, stage)
    file = folder / FILE
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    of_stage = content.setdefault(stage, {})
    (of_stage.setdefault(_DIALECTS, {}).setdefault(dialect, {}) if dialect else of_stage).update(values)
    replace_bytes(file, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
    return file


DEFAULTS = {("diarize", "chapter_join_similarity"): 0.6, ("speakers", "threshold"): 0.7}
"""Of embeddings, for a checkpoint without its own: those of diarization-micro."""


def of_embedding(settings: Settings, stage: str, name: str) -> float:
    """A similarity of embeddings: the configuration's, else the diarization checkpoint's, else the default."""
    configured = getattr(getattr(settings, stage), name)
    if configured is not None:
        return float(configured)
    return stored(settings.diarize.checkpoint, stage).get(name, DEFAULTS[stage, name])


def turn_separation(settings: Settings) -> float | None:
    """Silhouette from which a recording has several speakers; None where the checkpoint's own clustering decides."""
    if settings.diarize.turn_separation is not None:
        return settings.diarize.turn_separation
    return stored(settings.diarize.checkpoint, "diarize").get("turn_separation")


def without_own(settings: Settings) -> list[str]:
    """Keys of similarities that neither the configuration nor the diarization checkpoint says."""
    return [
        f"[{stage}] {name}"
        for stage, name in DEFAULTS
        if getattr(getattr(settings, stage), name) is None and name not in stored(settings.diarize.checkpoint, stage)
    ]
