"""What was said: Silero VAD cuts turns to chunks, a recogniser hears them in batches, the bounds judge each chunk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import vad
from pipeline.errors import BadRecording
from pipeline.lake.rows import Row
from pipeline.lake.tables import span_id
from pipeline.recognition import asr_filters, recognizers
from pipeline.recognition.hypothesis import Hypothesis, Recognizer, Word
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, Stage, StageResult
from pipeline.text import dialects
from pipeline.turn_audio import read_turns

SAMPLE_RATE = vad.SAMPLE_RATE

_LANGUAGE_SECONDS = 5.0


@dataclass
class Chunk:
    """A stretch of a turn: `start` and `end` in seconds of the recording, float32 (T,) at 16 kHz."""

    turn: Row
    start: float
    end: float
    samples: NDArray[np.float32] = field(repr=False)

    @property
    def seconds(self) -> float:
        return self.end - self.start


class Transcribe(Stage):
    """Text, word times and confidence of each chunk of speech; dropped chunks stay as rows with their reason.

    The recogniser hears the original, never the denoised turn: it learned from noisy speech, and what RNNoise takes off
    the consonants costs it more than noise does (whisper-micro at 15 dB: 7 % of characters wrong, denoised 38 %).
    """

    name = "transcribe"
    version = "1"
    reads = ("turns",)
    writes = "transcripts"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.transcribe
        self._recognizer: Recognizer | None = None
        self.resources = recognizers.resources_of(self._settings.used[:1], memory_gb=2.0)

    def parameters(self) -> dict[str, Any]:
        """What shapes the text: the settings but for devices, and the checkpoints' content."""
        alone = {"checkpoint", "device", "compute_type", "beam_size", "recognizers"}
        return self._settings.model_dump(exclude=alone) | {
            "recognizers": [recognizers.identity(each) for each in self._settings.used]
        }

    def load(self) -> None:
        """Bring the recogniser up on its device. Raises ModelUnavailable."""
        self._recognizer = recognizers.open_recognizer(self._settings.used[0])

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        """One row per chunk, in order; pauses and turns without speech are in the ledger."""
        language = self._language(recording)
        found: list[Row] = []
        longest: dict[str, Chunk] = {}
        waiting: list[Chunk] = []
        for chunk, reason in self._chunks(recording, rows):
            if reason is not None:
                found.append(_row(recording, chunk, language) | {"decision": "drop", "drop_reason": reason})
                continue
            speaker = chunk.turn["local_speaker"]
            best = longest.get(speaker)
            if best is None or best.seconds < min(chunk.seconds, _LANGUAGE_SECONDS):
                longest[speaker] = chunk
            waiting.append(chunk)
            if len(waiting) == self._settings.batch_size:
                found += self._heard(recording, waiting, language)
                waiting = []
        if waiting:
            found += self._heard(recording, waiting, language)
        probabilities = {
            speaker: self._loaded().probability(chunk.samples, language) for speaker, chunk in longest.items()
        }
        speakers = {turn["turn_id"]: turn["local_speaker"] for turn in rows["turns"]}
        for row in found:
            row["language_probability"] = probabilities.get(speakers[row["turn_id"]])
        found.sort(key=lambda row: row["start"])
        total = sum(turn["end"] - turn["start"] for turn in rows["turns"])
        return StageResult(found, _ledger(total, found))

    def _chunks(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> Iterator[tuple[Chunk, str | None]]:
        """Chunks with the reason why they are not worth hearing, or None."""
        for turn, samples in read_turns(recording, rows["turns"], (), SAMPLE_RATE):
            whole = Chunk(turn, turn["start"], turn["end"], samples)
            if whole.seconds < self._settings.min_seconds:
                yield whole, "too_short"
                continue
            spans = vad.speech_chunks(samples, self._settings.max_seconds)
            if not spans:
                yield whole, "no_speech_found"
            for first, last in spans:
                start = min(round(turn["start"] + first / SAMPLE_RATE, 3), turn["end"])
                end = min(round(turn["start"] + last / SAMPLE_RATE, 3), turn["end"])
                if end > start:
                    chunk = Chunk(turn, start, end, samples[first:last])
                    yield chunk, "too_short" if chunk.seconds < self._settings.min_seconds else None

    def _heard(self, recording: Recording, chunks: Sequence[Chunk], language: str) -> list[Row]:
        """Recognise one batch."""
        heard = self._loaded().transcribe([chunk.samples for chunk in chunks], recording.dialect)
        return [
            self._judged(_row(recording, chunk, language), chunk, found)
            for chunk, found in zip(chunks, heard, strict=True)
        ]

    def _judged(self, row: Row, chunk: Chunk, found: Hypothesis) -> Row:
        """The row of a chunk from what came back for it."""
        reason = asr_filters.drop_reason(found, chunk.seconds, self._settings)
        return row | {
            "text": found.text,
            "words": _words(found.words, chunk),
            "asr_avg_logprob": found.avg_logprob,
            "asr_no_speech_prob": found.no_speech_prob,
            "asr_compression_ratio": found.compression_ratio,
            "decision": "keep" if reason is None else "drop",
            "drop_reason": reason,
        }

    def _language(self, recording: Recording) -> str:
        """The recogniser's code for this recording's dialect."""
        try:
            return self._loaded().language(recording.dialect)
        except dialects.UnknownDialectError as error:
            raise BadRecording("unknown_dialect", f"{recording.source}: {error}") from None

    def _loaded(self) -> Recognizer:
        assert self._recognizer is not None, "load() comes before process()"
        return self._recognizer


def _words(words: Sequence[Word], chunk: Chunk) -> list[dict[str, Any]]:
    """Word times in seconds of the recording, in order and inside the chunk (the recogniser's may lie outside)."""
    placed: list[dict[str, Any]] = []
    reached = chunk.start
    for word in words:
        start = min(max(reached, chunk.start + word.start), chunk.end)
        end = min(max(start, chunk.start + word.end), chunk.end)
        placed.append({"word": word.text, "start": start, "end": end, "probability": word.probability})
        reached = start
    return placed


def _row(recording: Recording, chunk: Chunk, language: str) -> Row:
    """A row of a chunk that nobody has heard yet."""
    return {
        "transcript_id": span_id(recording.recording_id, chunk.start, chunk.end),
        "turn_id": chunk.turn["turn_id"],
        "recording_id": recording.recording_id,
        "start": chunk.start,
        "end": chunk.end,
        "text": "",
        "words": None,
        "language": language,
        "language_probability": None,
        "asr_avg_logprob": None,
        "asr_no_speech_prob": None,
        "asr_compression_ratio": None,
        "decision": "drop",
        "drop_reason": None,
    }


def _ledger(total: float, rows: Sequence[Row]) -> list[LedgerEntry]:
    """Where the `total` seconds of the turns went."""
    dropped: dict[str, float] = {}
    passed = 0.0
    for row in rows:
        if row["decision"] == "keep":
            passed += row["end"] - row["start"]
        else:
            dropped[row["drop_reason"]] = dropped.get(row["drop_reason"], 0.0) + row["end"] - row["start"]
    dropped["pause"] = max(0.0, total - passed - sum(dropped.values()))
    entries = [LedgerEntry("passed", passed)]
    entries += [LedgerEntry("dropped", seconds, reason) for reason, seconds in sorted(dropped.items())]
    return [entry for entry in entries if entry.seconds > 0]
