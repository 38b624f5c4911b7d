"""How fast a model speaks: real-time factor and first-audio latency over steps, guidance and batch, as curves."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

import torch

from model.evaluation.utterance import Measurement, NotMeasured, Utterance


class GenerationSpeed:
    """rtf and first_audio_s of each utterance, as the facts of its generation tell; rtf weighted by seconds."""

    name = "speed"
    gives = ("rtf", "first_audio_s")

    def __init__(self, conditions: Mapping[str, Any] | None = None) -> None:
        self.conditions: Mapping[str, Any] = dict(conditions or machine())

    def measure(self, utterance: Utterance) -> Measurement:
        values = {name: float(utterance.facts[name]) for name in self.gives if utterance.facts.get(name) is not None}
        if not values:
            raise NotMeasured("how long the synthesis took was not told")
        notes = {name: "not told by the synthesis" for name in self.gives if name not in values}
        return Measurement(values, {"rtf": max(utterance.seconds, 1e-3)}, notes=notes)


def machine() -> dict[str, Any]:
    """Hardware and threads of this process."""
    graphics = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "gpu": graphics,
        "threads": torch.get_num_threads(),
    }
