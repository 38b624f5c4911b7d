"""Synthesizes a dialect's validation set: everybody is asked the same, what was spoken before is kept, all is labelled.

A failure becomes a row with its error. Whatever is spoken lies in a part file at once, so a killed run goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from model.labels import labels
from model.validation.plan import Ask
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
    """What a speaker made of an ask: float32 (T,) or why there is none, and how it came about."""

    samples: NDArray[np.float32] | None
    sample_rate: int = 0
    error: str = ""
    facts: Row | None = None


class Speaker(Protocol):
    """Somebody to ask: a voice, or another system. `content` names the exact model, for reuse."""

    @property
    def model_id(self) -> str: ...
    @property
    def side(self) -> str: ...
    @property
    def content(self) -> str: ...
    @property
    def conditions(self) -> str: ...

    def speak(self, asks: Sequence[Ask]) -> Iterator[tuple[Ask, Spoken]]:
        """Every ask once, in any order; nothing but a broken installation raises."""
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
    asks: Sequence[Ask],
    speakers: Sequence[Speaker],
    progress: Progress | None = None,
    wanted_of: Callable[[Speaker, Ask], bool] = lambda speaker, ask: True,
) -> Counts:
    """Bring table validation_set of `dialect` up to date: every ask by every speaker that it is `wanted_of`."""
    parts = Parts(lake, "validate", dialect, "validation_set")
    wanted = {
        _provenance(speaker, ask): (speaker, ask) for speaker in speakers for ask in asks if wanted_of(speaker, ask)
    }
    there = {part.provenance for part in parts.read() if part.provenance in wanted}
    standing = _standing(lake, dialect, set(wanted) - there)
    counts = Counts(reused=len(there) + len(standing))
    done, total = 0, len(wanted) - counts.reused
    for speaker in speakers:
        pending = {
            ask.utterance_id: (ask, key)
            for key, (who, ask) in wanted.items()
            if who is speaker and key not in there and key not in standing
        }
        for ask, spoken in speaker.speak([ask for ask, _ in pending.values()]):
            key = pending[ask.utterance_id][1]
            row = _row(speaker, ask, spoken, key)
            parts.put(Part(key, key, to_table("validation_set", [row]), [], []))
            done += 1
            counts.spoken += 1
            if progress is not None:
                progress(done, total, speaker.side)
    _write(lake, dialect, list(wanted), standing, parts)
    parts.clear()
    for row in lake.rows("validation_set", dialect, ("error", "seconds")):
        counts.failed += row["error"] is not None
        counts.seconds += row["seconds"] or 0.0
    return counts


class VoxCPM2Speaker:
    """A VoxCPM2 model; many utterances are spoken together, those for speed one by one as a stream.

    `open` brings the model up when there is something to say, and it is let go afterwards.
    """

    def __init__(self, open: Callable[[], VoxCPM2], model_id: str, side: str, content: str, rows: int) -> None:
        self.model_id, self.side, self.content, self.rows = model_id, side, content, rows
        self.conditions = ""
        self._open = open

    def speak(self, asks: Sequence[Ask]) -> Iterator[tuple[Ask, Spoken]]:
        if not asks:
            return
        model = self._open()
        device, dtype = model.network.device, str(model.network.dtype).removeprefix("torch.")
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
        self.conditions = f"{device} ({name}), {dtype}, batch {self.rows}"
        together = [ask for ask in asks if ask.purpose in ("quality", "noise")]
        size = self.rows * 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WeakReference)
            for first in range(0, len(together), size):
                yield from self._together(model, together[first : first + size])
            for ask in asks:
                if ask.purpose == "long":
                    yield ask, self._long(model, ask)
                elif ask.purpose == "speed":
                    yield ask, self._streamed(model, ask)

    def _together(self, model: VoxCPM2, asks: Sequence[Ask]) -> Iterator[tuple[Ask, Spoken]]:
        began = time.perf_counter()
        try:
            results = model.generate([_request(ask) for ask in asks], self.rows)
        except (ValueError, BadRecording) as error:
            if len(asks) == 1:
                yield asks[0], Spoken(None, error=str(error))
                return
            for ask in asks:
                yield from self._together(model, [ask])
            return
        wall = time.perf_counter() - began
        factor = wall / max(1e-9, sum(result.seconds for result in results))
        for ask, result in zip(asks, results, strict=True):
            yield ask, _said(result, factor, self.conditions)

    def _long(self, model: VoxCPM2, ask: Ask) -> Spoken:
        request = _request(ask)
        fields = {name: getattr(request, name) for name in request.__dataclass_fields__ if name != "text"}
        try:
            result = model.speak(request.text, **fields)
        except (ValueError, BadRecording) as error:
            return Spoken(None, error=str(error))
        return _said(result, result.real_time_factor, self.conditions)

    def _streamed(self, model: VoxCPM2, ask: Ask) -> Spoken:
        began, first, pieces = time.perf_counter(), 0.0, []
        try:
            for piece in model.stream(_request(ask), rows=1):
                first = first or time.perf_counter() - began
                pieces.append(piece)
        except (ValueError, BadRecording) as error:
            return Spoken(None, error=str(error))
        wall, samples = time.perf_counter() - began, np.concatenate(pieces)
        facts = {
            "seed": ask.seed,
            "attempts": 1,
            "real_time_factor": wall / (len(samples) / model.sample_rate),
            "first_audio_s": first,
            "conditions": self.conditions.rpartition(",")[0] + ", streamed alone",
        }
        return Spoken(samples, model.sample_rate, facts=facts)


def _request(ask: Ask) -> Request:
    voice = ask.reference
    return Request(
        ask.text.text,
        dialect=ask.dialect,
        reference=None if voice is None else (voice.samples, voice.sample_rate),
        denoise=voice is not None and voice.denoise,
        seed=ask.seed,
        steps=ask.steps,
        guidance=ask.guidance,
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


def _row(speaker: Speaker, ask: Ask, spoken: Spoken, provenance: str) -> Row:
    voice = ask.reference
    row: Row = {
        "utterance_id": ask.utterance_id,
        "model_id": speaker.model_id,
        "side": speaker.side,
        "dialect": ask.dialect,
        "prompt_id": ask.text.prompt_id,
        "category": ask.text.category,
        "purpose": ask.purpose,
        "text": ask.text.text,
        "readings": ask.text.readings,
        "reference_segment_id": voice and voice.segment_id,
        "reference_recording_id": voice and voice.recording_id,
        "reference_speaker_id": voice and voice.speaker_id,
        "reference_condition": voice and voice.condition,
        "steps": ask.steps,
        "guidance": ask.guidance,
        "conditions": speaker.conditions,
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


def _provenance(speaker: Speaker, ask: Ask) -> str:
    facts: list[Any] = [VERSION, speaker.content, ask.utterance_id, ask.text.text, ask.text.readings, ask.dialect]
    facts += [ask.reference and ask.reference.content, ask.steps, ask.guidance, ask.seed]
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()[:32]


def _standing(lake: Lake, dialect: str, wanted: set[str]) -> set[str]:
    """Which of `wanted` the table holds; failures are tried again."""
    rows = lake.rows("validation_set", dialect, ("provenance", "error"))
    return {row["provenance"] for row in rows if row["error"] is None and row["provenance"] in wanted}


def _write(lake: Lake, dialect: str, order: Sequence[str], standing: set[str], parts: Parts) -> None:
    """The table anew, in the order asked; holds the encoded sound of the whole validation set."""
    if not parts.folder.exists() and [
        row["provenance"] for row in lake.rows("validation_set", dialect, ("provenance",))
    ] == list(order):
        return
    kept = lake.read("validation_set", dialect).filter(
        pc.field("provenance").isin(pa.array(sorted(standing), pa.string()))
    )
    fresh = {part.provenance: part.rows for part in parts.read()}

    def rows() -> Iterator[Any]:
        yield TABLES["validation_set"].empty_table()
        for key in order:
            yield fresh[key] if key in fresh else kept.filter(pc.field("provenance") == key)

    lake.write("validation_set", dialect, rows())
