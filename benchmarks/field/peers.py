"""Recognisers without a pipeline, on whole files with the same weights: faster-whisper, and WhisperX in a process.

Temperature 0 without fallback, beam 5, voice activity detection of their own, the pipeline's code of the language. What
they wrote is kept in a file, so that a second run asks them of new recordings only.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import tempfile
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
_WORKER = Path(__file__).with_name("whisperx_worker.py")


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
        self.version = importlib.metadata.version("faster-whisper")
        self.cpu_seconds = 0.0

    def language(self, code: str) -> str:
        wanted = dialects.get(code).whisper_language
        for language in (wanted, _OLDER_CODES.get(wanted, wanted)):
            if self._model.hf_tokenizer.token_to_id(f"<|{language}|>") is not None:
                return language
        return "zh"

    def segments(self, samples: NDArray[np.float32], language: str) -> list[tuple[float, float, str]]:
        worked = time.process_time()
        found, _ = self._batched.transcribe(
            samples, language=language, beam_size=BEAM_SIZE, batch_size=BATCH_SIZE, temperature=0.0
        )
        segments = [(one.start, one.end, one.text) for one in found]
        self.cpu_seconds += time.process_time() - worked
        return segments

    def close(self) -> None:
        """Nothing is open."""


class WhisperX:
    """WhisperX's pipeline, run by the Python of its own environment (whisperx_worker.py); its alignment model is not
    used, which changes times only. Raises PeerMissing."""

    def __init__(self, checkpoint: str, compute_type: str, python: str = sys.executable) -> None:
        command = [python, str(_WORKER), checkpoint, compute_type, str(BEAM_SIZE), str(BATCH_SIZE)]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        except OSError as error:
            raise PeerMissing(f"--whisperx-python {python}: {error.strerror}") from None
        self.version = self._answer()["version"]
        self.cpu_seconds = 0.0

    def language(self, code: str) -> str:
        wanted = dialects.get(code).whisper_language
        return _OLDER_CODES.get(wanted, wanted)

    def segments(self, samples: NDArray[np.float32], language: str) -> list[tuple[float, float, str]]:
        assert self._process.stdin is not None
        with tempfile.NamedTemporaryFile(suffix=".f32") as file:
            np.ascontiguousarray(samples, np.float32).tofile(file.name)
            self._process.stdin.write(json.dumps({"samples": file.name, "language": language}) + "\n")
            self._process.stdin.flush()
            answer = self._answer()
        self.cpu_seconds += answer["cpu"]
        return [(start, end, text) for start, end, text in answer["segments"]]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"it ended with {self._process.wait(60)}; its words are above"}
        if "error" in answer:
            raise PeerMissing(f"whisperx, run by {self._process.args}: {answer['error']}")
        return answer


def hear(
    peer: str,
    recordings: Sequence[LabelledRecording],
    checkpoint: str,
    compute_type: str,
    store: Path,
    progress: Callable[[int, int], None],
    whisperx_python: str = sys.executable,
) -> dict[str, Heard]:
    """{name: what the peer wrote}; WhisperX is run by the Python named. Raises PeerMissing."""
    model = _opened(peer, checkpoint, compute_type, whisperx_python)
    known: dict[str, dict] = json.loads(store.read_text(encoding="utf-8")) if store.is_file() else {}
    asked = f"{peer} {model.version} {checkpoint} {compute_type} {BEAM_SIZE} {BATCH_SIZE}"
    heard = {}
    try:
        for number, one in enumerate(recordings, start=1):
            key = hashlib.sha256(asked.encode() + one.code.encode() + one.path.read_bytes()).hexdigest()
            if key not in known:
                known[key] = asdict(_heard(model, one))
                store.write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")
            heard[one.name] = Heard(**known[key])
            progress(number, len(recordings))
    finally:
        model.close()
    return heard


def _opened(peer: str, checkpoint: str, compute_type: str, whisperx_python: str) -> FasterWhisper | WhisperX:
    if peer == "whisperx":
        if whisperx_python == sys.executable and importlib.util.find_spec("whisperx") is None:
            words = "its torch is another than Fangyan's: install it in an environment of its own and name that Python"
            raise PeerMissing(f"whisperx is not installed; {words} by --whisperx-python, or leave out --peer whisperx")
        return WhisperX(checkpoint, compute_type, whisperx_python)
    return FasterWhisper(checkpoint, compute_type)


def _heard(model: FasterWhisper | WhisperX, one: LabelledRecording) -> Heard:
    from faster_whisper.vad import get_speech_timestamps

    samples = clips.read(one.path, sample_rate=SAMPLE_RATE)
    began, worked = time.perf_counter(), model.cpu_seconds
    segments = model.segments(samples, model.language(one.code))
    wall, cpu = time.perf_counter() - began, model.cpu_seconds - worked
    speech = [[span["start"] / SAMPLE_RATE, span["end"] / SAMPLE_RATE] for span in get_speech_timestamps(samples)]
    text = " ".join(text.strip() for _, _, text in segments)
    spans = [[float(start), float(end)] for start, end, words in segments if words.strip()]
    return Heard(text, spans, speech, len(samples) / SAMPLE_RATE, wall, cpu)
