"""Synthesizes a dialect's validation set: everybody is asked the same, what was spoken before is kept, all is labelled.

A failure becomes a row with its error. Whatever is spoken lies in a part file at once, so a killed run goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from model.labels import labels
from model.validation.plan import SynthesisRequest
from model.voxcpm2 import Request, Result, VoxCPM2
from model.voxcpm2.references import WeakReference
from pipeline.audio import clips
from pipeline.errors import BadRecording
from pipeline.lake.lake import Lake, Part, Parts
from pipeline.lake.rows import Row, to_table
from pipeline.lake.tables import TABLES

VERSION = "1"
KEY_VARIABLE = "FANGYAN_LABEL_KEY"
FAILED = "failed"
# (utterances done, utterances to do, who speaks)
Progress = Callable[[int, int, str], None]
_PRODUCER = "Fangyan"


@dataclass(frozen=True)
class Spoken:
    """What a system made of a request: float32 (T,) or why there is none, and how it came about."""

    samples: NDArray[np.float32] | None
    sample_rate: int = 0
    error: str = ""
    facts: Row | None = None


class Synthesizer(Protocol):
    """A system that speaks: a voice, or another system. `content` names the exact model, for reuse."""

    @property
    def model_id(self) -> str: ...
    @property
    def system(self) -> str: ...
    @property
    def content(self) -> str: ...
    @property
    def conditions(self) -> str: ...

    def speak(self, requests: Sequence[SynthesisRequest]) -> Iterator[tuple[SynthesisRequest, Spoken]]:
        """Every request once, in any order; nothing but a broken installation raises."""
        ...


@dataclass
class Counts:
    """What came of a validation set, in utterances."""

    spoken: int = 0
    reused: int = 0
    failed: int = 0
    seconds: float = 0.0


def synthesize(
    lake: Lake,
    dialect: str,
    requests: Sequence[SynthesisRequest],
    synthesizers: Sequence[Synthesizer],
    progress: Progress | None = None,
    wants: Callable[[Synthesizer, SynthesisRequest], bool] = lambda synthesizer, request: True,
) -> Counts:
    """Bring table validation_set of `dialect` up to date: every request by every synthesizer that `wants` it."""
    parts = Parts(lake, "validate", dialect, "validation_set")
    wanted = {
        _provenance(synthesizer, request): (synthesizer, request)
        for synthesizer in synthesizers
        for request in requests
        if wants(synthesizer, request)
    }
    there = {part.provenance for part in parts.read() if part.provenance in wanted}
    current = _current(lake, dialect, set(wanted) - there)
    counts = Counts(reused=len(there) + len(current))
    done, total = 0, len(wanted) - counts.reused
    for synthesizer in synthesizers:
        pending = {
            request.utterance_id: (request, key)
            for key, (who, request) in wanted.items()
            if who is synthesizer and key not in there and key not in current
        }
        for request, spoken in synthesizer.speak([request for request, _ in pending.values()]):
            key = pending[request.utterance_id][1]
            row = _row(synthesizer, request, spoken, key)
            parts.put(Part(key, key, to_table("validation_set", [row]), [], []))
            done += 1
            counts.spoken += 1
            if progress is not None:
                progress(done, total, synthesizer.system)
    _write(lake, dialect, {key: synthesizer.system for key, (synthesizer, _) in wanted.items()}, current, parts)
    parts.clear()
    for row in lake.rows("validation_set", dialect, ("error", "seconds")):
        counts.failed += row["error"] is not None
        counts.seconds += row["seconds"] or 0.0
    return counts


class VoxCPM2Synthesizer:
    """A VoxCPM2 model; many utterances are spoken together, those for speed one by one as a stream.

    `open` brings the model up when there is something to say, and it is let go afterwards.
    """

    def __init__(self, open: Callable[[], VoxCPM2], model_id: str, system: str, content: str, batch_size: int) -> None:
        self.model_id, self.system, self.content, self.batch_size = model_id, system, content, batch_size
        self.conditions = ""
        self._open = open

    def speak(self, requests: Sequence[SynthesisRequest]) -> Iterator[tuple[SynthesisRequest, Spoken]]:
        if not requests:
            return
        model = self._open()
        device, dtype = model.network.device, str(model.network.dtype).removeprefix("torch.")
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
        self.conditions = f"{device} ({name}), {dtype}, batch {self.batch_size}"
        together = [request for request in requests if request.purpose in ("quality", "noise")]
        size = self.batch_size * 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WeakReference)
            for first in range(0, len(together), size):
                yield from self._together(model, together[first : first + size])
            for request in requests:
                if request.purpose == "long":
                    yield request, self._long(model, request)
                elif request.purpose == "speed":
                    yield request, self._streamed(model, request)

    def _together(
        self, model: VoxCPM2, requests: Sequence[SynthesisRequest]
    ) -> Iterator[tuple[SynthesisRequest, Spoken]]:
        began = time.perf_counter()
        try:
            results = model.generate([_voxcpm2_request(request) for request in requests], self.batch_size)
        except (ValueError, BadRecording) as error:
            if len(requests) == 1:
                yield requests[0], Spoken(None, error=str(error))
                return
            for request in requests:
                yield from self._together(model, [request])
            return
        wall = time.perf_counter() - began
        factor = wall / max(1e-9, sum(result.seconds for result in results))
        for request, result in zip(requests, results, strict=True):
            yield request, _said(result, factor, self.conditions)

    def _long(self, model: VoxCPM2, request: SynthesisRequest) -> Spoken:
        wanted = _voxcpm2_request(request)
        fields = {name: getattr(wanted, name) for name in wanted.__dataclass_fields__ if name != "text"}
        try:
            result = model.speak(wanted.text, **fields)
        except (ValueError, BadRecording) as error:
            return Spoken(None, error=str(error))
        return _said(result, result.real_time_factor, self.conditions)

    def _streamed(self, model: VoxCPM2, request: SynthesisRequest) -> Spoken:
        began, first, pieces = time.perf_counter(), 0.0, []
        try:
            for piece in model.stream(_voxcpm2_request(request), batch_size=1):
                first = first or time.perf_counter() - began
                pieces.append(piece)
        except (ValueError, BadRecording) as error:
            return Spoken(None, error=str(error))
        wall, samples = time.perf_counter() - began, np.concatenate(pieces)
        facts = {
            "seed": request.seed,
            "attempts": 1,
            "real_time_factor": wall / (len(samples) / model.sample_rate),
            "first_audio_s": first,
            "conditions": self.conditions.rpartition(",")[0] + ", streamed alone",
        }
        return Spoken(samples, model.sample_rate, facts=facts)


def _voxcpm2_request(request: SynthesisRequest) -> Request:
    voice = request.reference
    return Request(
        request.text.text,
        dialect=request.dialect,
        reference=None if voice is None else (voice.samples, voice.sample_rate),
        denoise=voice is not None and voice.denoise,
        seed=request.seed,
        steps=request.steps,
        guidance=request.guidance,
    )


def _said(result: Result, factor: float, conditions: str) -> Spoken:
    facts = {
        "seed": result.seed,
        "attempts": result.attempts,
        "stop_reason": str(result.stop_reason),
        "real_time_factor": factor,
        "conditions": conditions,
    }
    return Spoken(result.audio, result.sample_rate, facts=facts)


def _row(synthesizer: Synthesizer, request: SynthesisRequest, spoken: Spoken, provenance: str) -> Row:
    voice = request.reference
    row: Row = {
        "utterance_id": request.utterance_id,
        "model_id": synthesizer.model_id,
        "system": synthesizer.system,
        "dialect": request.dialect,
        "prompt_id": request.text.prompt_id,
        "category": request.text.category,
        "purpose": request.purpose,
        "text": request.text.text,
        "readings": request.text.readings,
        "reference_segment_id": voice and voice.segment_id,
        "reference_recording_id": voice and voice.recording_id,
        "reference_speaker_id": voice and voice.speaker_id,
        "reference_condition": voice and voice.condition,
        "steps": request.steps,
        "guidance": request.guidance,
        "conditions": synthesizer.conditions,
        "provenance": provenance,
    }
    if spoken.samples is None or not len(spoken.samples):
        return row | {"stop_reason": FAILED, "error": spoken.error or "no sound came"}
    key = os.environ.get(KEY_VARIABLE, "").encode()
    label = labels.Label(producer=_PRODUCER, produce_id=provenance)
    data, label = labels.attach(clips.encode_flac(spoken.samples, spoken.sample_rate), label, key)
    return row | {
        "seconds": len(spoken.samples) / spoken.sample_rate,
        "sample_rate": spoken.sample_rate,
        "label": label.to_json(),
        "audio": {"bytes": data, "path": f"{provenance}.flac"},
        **(spoken.facts or {}),
    }


def _provenance(synthesizer: Synthesizer, request: SynthesisRequest) -> str:
    facts: list[Any] = [
        VERSION,
        synthesizer.content,
        request.utterance_id,
        request.text.text,
        request.text.readings,
        request.dialect,
    ]
    facts += [request.reference and request.reference.content, request.steps, request.guidance, request.seed]
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()[:32]


def _current(lake: Lake, dialect: str, wanted: set[str]) -> set[str]:
    """Which of `wanted` the table holds; failures are tried again."""
    rows = lake.rows("validation_set", dialect, ("provenance", "error"))
    return {row["provenance"] for row in rows if row["error"] is None and row["provenance"] in wanted}


def _write(lake: Lake, dialect: str, systems: Mapping[str, str], current: set[str], parts: Parts) -> None:
    """The table anew, in the order of `systems`, by provenance; holds the encoded sound of the whole validation set.

    What was spoken before may have another place in the comparison now: who was judged then was promoted meanwhile.
    """
    there = [
        (row["provenance"], row["system"]) for row in lake.rows("validation_set", dialect, ("provenance", "system"))
    ]
    if not parts.folder.exists() and there == list(systems.items()):
        return
    kept = lake.read("validation_set", dialect).filter(
        pc.field("provenance").isin(pa.array(sorted(current), pa.string()))
    )
    fresh = {part.provenance: part.rows for part in parts.read()}

    def rows() -> Iterator[Any]:
        yield TABLES["validation_set"].empty_table()
        for key, system in systems.items():
            row = fresh[key] if key in fresh else kept.filter(pc.field("provenance") == key)
            place = row.schema.get_field_index("system")
            yield row.set_column(place, row.schema.field(place), pa.array([system] * len(row), pa.string()))

    lake.write("validation_set", dialect, rows())
