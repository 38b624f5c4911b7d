"""Recognisers without a pipeline, on whole files with the same weights: faster-whisper, and WhisperX where installed.

Temperature 0 without fallback, beam 5, voice activity detection of their own, the pipeline's code of the language. What
they wrote is kept in a file, so that a second run asks them of new recordings only.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.field.recordings import LabelledRecording
from pipeline.audio import clips
from pipeline.text import dialects

SAMPLE_RATE = 16_000
BEAM_SIZE, BATCH_SIZE = 5, 8
PEERS = ("faster-whisper", "whisperx")
_OLDER_CODES = {"yue": "zh"}


class PeerMissing(Exception):
    """The peer is not installed; the message says how to get it."""


@dataclass(frozen=True)
class Heard:
    """What a peer wrote of one file, where (seconds), where of that Silero VAD finds speech, and what it cost."""

    text: str
    spans: list[list[float]]
    speech: list[list[float]]
    seconds: float
    wall_seconds: float
    cpu_seconds: float


class FasterWhisper:
    """faster-whisper's batched pipeline with its VAD."""

    def __init__(self, checkpoint: str, compute_type: str) -> None:
        from faster_whisper import BatchedInferencePipeline, WhisperModel

        self._model = WhisperModel(checkpoint, device="cpu", compute_type=compute_type, cpu_threads=1)
        self._batched = BatchedInferencePipeline(self._model)

    def language(self, code: str) -> str:
        wanted = dialects.get(code).whisper_language
        for language in (wanted, _OLDER_CODES.get(wanted, wanted)):
            if self._model.hf_tokenizer.token_to_id(f"<|{language}|>") is not None:
                return language
        return "zh"

    def segments(self, samples: NDArray[np.float32], language: str) -> list[tuple[float, float, str]]:
        found, _ = self._batched.transcribe(
            samples, language=language, beam_size=BEAM_SIZE, batch_size=BATCH_SIZE, temperature=0.0
        )
        return [(one.start, one.end, one.text) for one in found]


class WhisperX:
    """WhisperX's pipeline; its alignment model is not used, which changes times only."""

    def __init__(self, checkpoint: str, compute_type: str) -> None:
        import whisperx  # pyright: ignore[reportMissingImports]

        options = {"beam_size": BEAM_SIZE, "temperatures": [0.0]}
        self._model: Any = whisperx.load_model(
            checkpoint, "cpu", compute_type=compute_type, language="zh", asr_options=options, threads=1
        )

    def language(self, code: str) -> str:
        wanted = dialects.get(code).whisper_language
        return _OLDER_CODES.get(wanted, wanted)

    def segments(self, samples: NDArray[np.float32], language: str) -> list[tuple[float, float, str]]:
        found = self._model.transcribe(samples, batch_size=BATCH_SIZE, language=language)["segments"]
        return [(one["start"], one["end"], one["text"]) for one in found]


def hear(
    peer: str,
    recordings: Sequence[LabelledRecording],
    checkpoint: str,
    compute_type: str,
    store: Path,
    progress: Callable[[int, int], None],
) -> dict[str, Heard]:
    """{name: what the peer wrote}. Raises PeerMissing."""
    if importlib.util.find_spec(peer.replace("-", "_")) is None:
        raise PeerMissing(f"{peer} is not installed: `pip install {peer}`, or leave out --peer {peer}")
    known: dict[str, dict] = json.loads(store.read_text(encoding="utf-8")) if store.is_file() else {}
    asked = f"{peer} {importlib.metadata.version(peer)} {checkpoint} {compute_type} {BEAM_SIZE} {BATCH_SIZE}"
    model: FasterWhisper | WhisperX | None = None
    heard = {}
    for number, one in enumerate(recordings, start=1):
        key = hashlib.sha256(asked.encode() + one.code.encode() + one.path.read_bytes()).hexdigest()
        if key not in known:
            model = model or (WhisperX if peer == "whisperx" else FasterWhisper)(checkpoint, compute_type)
            known[key] = asdict(_heard(model, one))
            store.write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")
        heard[one.name] = Heard(**known[key])
        progress(number, len(recordings))
    return heard


def _heard(model: FasterWhisper | WhisperX, one: LabelledRecording) -> Heard:
    from faster_whisper.vad import get_speech_timestamps

    samples = clips.read(one.path, sample_rate=SAMPLE_RATE)
    began, worked = time.perf_counter(), time.process_time()
    segments = model.segments(samples, model.language(one.code))
    wall, cpu = time.perf_counter() - began, time.process_time() - worked
    speech = [[span["start"] / SAMPLE_RATE, span["end"] / SAMPLE_RATE] for span in get_speech_timestamps(samples)]
    text = " ".join(text.strip() for _, _, text in segments)
    spans = [[float(start), float(end)] for start, end, words in segments if words.strip()]
    return Heard(text, spans, speech, len(samples) / SAMPLE_RATE, wall, cpu)
