"""A dialect's tones for people: tones.json, which the report draws, and tones.png, a picture per tone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.evaluation.tone_picture import picture
from model.evaluation.tones import ToneFidelity, confusion, curves
from model.evaluation.utterance import NotMeasured
from pipeline.lake.files import replace_bytes


def write_tones(
    folder: Path, metric: ToneFidelity, details: Mapping[str, Sequence[Mapping[str, Any]]], systems: Mapping[str, str]
) -> None:
    """Mean contours by tone of the reference and of each system, and confusions; `details` are by model_id."""
    try:
        reference = metric.reference(folder.name)
    except NotMeasured:
        return
    measured = {systems[model_id]: curves(some) for model_id, some in details.items() if some}
    tones: dict[str, dict[str, list[float]]] = {
        tone: {"reference": shape.mean.round(3).tolist()} for tone, shape in sorted(reference.shapes.items())
    }
    for system, by_tone in measured.items():
        for tone, shapes in by_tone.items():
            tones.setdefault(tone, {})[system] = shapes.mean(axis=0).round(3).tolist()
    facts = {
        "source": reference.source,
        "tones": tones,
        "confusion": {systems[model_id]: confusion(some) for model_id, some in details.items() if some},
    }
    text = json.dumps(facts, ensure_ascii=False, indent=1) + "\n"
    replace_bytes(folder / "tones.json", text.encode())
    if tones:
        replace_bytes(folder / "tones.png", picture(reference, measured))
