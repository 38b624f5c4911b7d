"""How fast a model speaks: real-time factor and first-audio latency over steps, guidance and batch, as curves."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from time import perf_counter
from typing import Any

import torch

from model.evaluation.statistics import Summary, summarize
from model.evaluation.utterance import Measurement, NotMeasured, Utterance
from model.voxcpm2.model import VoxCPM2
from model.voxcpm2.result import Request, Voice


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


@dataclass(frozen=True)
class SpeedPoint:
    """One setting: wall seconds for each second of audio of a whole batch, and the wait for a stream's first piece."""

    steps: int
    guidance: float
    batch: int
    rtf: Summary
    first_audio_s: Summary
    audio_seconds: float
    device: str
    precision: str
    threads: int


def speed_curve(
    model: VoxCPM2,
    texts: Sequence[str],
    *,
    dialect: str = "",
    reference: Voice | None = None,
    steps: Sequence[int] = (4, 6, 10, 16),
    guidance: Sequence[float] = (1.0, 2.0),
    batches: Sequence[int] = (1, 8),
    repeats: int = 3,
    progress: Callable[[int, int], None] | None = None,
) -> list[SpeedPoint]:
    """Speak `texts` at every setting, `repeats` times; a first round warms up and is not counted.

    rtf is of all texts together at `batch` rows at once, first_audio_s of one text alone in a stream of one row.
    Raises ValueError without texts.
    """
    if not texts:
        raise ValueError("a speed curve needs at least one text")
    first = next(_requests(texts[:1], dialect, reference, steps[0], guidance[0]))
    model.generate([first])
    settings = list(product(steps, guidance, batches))
    points: list[SpeedPoint] = []
    waits: dict[tuple[int, float], list[float]] = {}
    for number, (step, scale, batch) in enumerate(settings):
        requests = list(_requests(texts, dialect, reference, step, scale))
        factors, seconds = [], []
        for _ in range(repeats):
            begun = perf_counter()
            results = model.generate(requests, batch_size=batch)
            wall = perf_counter() - begun
            seconds.append(sum(result.seconds for result in results))
            factors.append(wall / seconds[-1])
        if (step, scale) not in waits:
            waits[step, scale] = [_first_audio(model, requests[turn % len(requests)]) for turn in range(repeats)]
        points.append(
            SpeedPoint(
                step,
                scale,
                batch,
                summarize("rtf", factors, seconds),
                summarize("first_audio_s", waits[step, scale]),
                seconds[-1],
                str(model.network.device),
                str(model.network.dtype).removeprefix("torch."),
                torch.get_num_threads(),
            )
        )
        if progress is not None:
            progress(number + 1, len(settings))
    return points


def machine() -> dict[str, Any]:
    """Hardware and threads of this process."""
    graphics = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "gpu": graphics,
        "threads": torch.get_num_threads(),
    }


def _requests(
    texts: Sequence[str], dialect: str, reference: Voice | None, steps: int, guidance: float
) -> Iterator[Request]:
    for seed, text in enumerate(texts):
        # One attempt: a second one would be timed as if the first had not been heard.
        yield Request(text, dialect=dialect, reference=reference, seed=seed, steps=steps, guidance=guidance, attempts=1)


def _first_audio(model: VoxCPM2, request: Request) -> float:
    begun = perf_counter()
    next(model.stream(request, batch_size=1))
    return perf_counter() - begun
