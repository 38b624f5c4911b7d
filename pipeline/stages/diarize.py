"""Who speaks when: the pyannote pipeline on 16 kHz mono in memory, chapter by chapter, to turns that do not overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import chapters, original_audio
from pipeline.audio import vad
from pipeline.lake.rows import Row
from pipeline.lake.tables import span_id
from pipeline.recognition import checkpoints, thresholds
from pipeline.recognition.pyannote import SAMPLE_RATE, load_pipeline, quiet
from pipeline.recognition.resources import resources
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, Stage, StageResult

MERGE_GAP_SECONDS = 0.3
"""A speaker who goes on after a shorter gap, with nobody between, is still in the same turn."""


_LONGEST_SPAN_SECONDS = 30.0


@dataclass(frozen=True)
class Turn:
    """Someone speaks from `start` to `end`, in seconds of the recording."""

    start: float
    end: float
    speaker: str


class Diarize(Stage):
    """Speaker turns of a recording, their overlap, and one embedding per local speaker."""

    name = "diarize"
    version = "2"
    writes = "turns"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.diarize
        self._all_settings = settings
        self._pipeline: Any = None
        self.resources = resources(self._settings.checkpoint, self._settings.device, memory_gb=3.0)

    def parameters(self) -> dict[str, Any]:
        """What shapes the turns: the settings but for the device, and the checkpoint's content."""
        return self._settings.model_dump(exclude={"device", "checkpoint", "trusted_modules"}) | {
            "checkpoint": checkpoints.fingerprint(self._settings.checkpoint)
        }

    def load(self) -> None:
        """Bring the pipeline up on its device. Raises ModelUnavailable."""
        self._pipeline = load_pipeline(self._settings.checkpoint, self._settings.device, self._settings.trusted_modules)

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        """One row per turn, in order. Speech too short for a turn and everything else is in the ledger."""
        said: list[Turn] = []
        exclusive: list[Turn] = []
        join = chapters.SpeakerJoin(thresholds.of_embedding(self._all_settings, "diarize", "chapter_join_similarity"))
        blocks = original_audio.blocks(recording, SAMPLE_RATE)
        for start, samples in chapters.cut(
            blocks, SAMPLE_RATE, recording.duration, 60.0 * self._settings.chapter_minutes
        ):
            everyone, one_at_a_time, embeddings = self._diarize(samples)
            one_at_a_time = spoken(merged(one_at_a_time), samples, self._settings.min_speech_share)
            names = join.add({label: (found, _seconds(everyone, label)) for label, found in embeddings.items()})
            said += [Turn(start + turn.start, start + turn.end, names[turn.speaker]) for turn in everyone]
            exclusive += [Turn(start + turn.start, start + turn.end, names[turn.speaker]) for turn in one_at_a_time]
        turns = merged(bounded(exclusive, recording.duration))
        kept = without_snippets(turns, self._settings.min_turn_seconds)
        embeddings = join.embeddings()
        result = StageResult(ledger=ledger(recording.duration, turns, kept))
        shares = overlap_shares(kept, said)
        result.rows = [
            {
                "turn_id": span_id(recording.recording_id, turn.start, turn.end),
                "recording_id": recording.recording_id,
                "start": turn.start,
                "end": turn.end,
                "local_speaker": turn.speaker,
                "overlap_share": share,
                "embedding": None if (found := embeddings[turn.speaker]) is None else found.tolist(),
            }
            for turn, share in zip(kept, shares, strict=True)
        ]
        return result

    def _diarize(
        self, samples: NDArray[np.float32]
    ) -> tuple[list[Turn], list[Turn], dict[str, NDArray[np.float32] | None]]:
        """All turns, turns without overlap, and each label's embedding, in seconds of `samples` (T,)."""
        import torch

        if not np.any(samples):
            return [], [], {}
        with quiet(), torch.inference_mode():
            output = self._pipeline({"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE})
        everyone, one_at_a_time = _turns(output.speaker_diarization), _turns(output.exclusive_speaker_diarization)
        labels = list(output.speaker_diarization.labels())
        labels += [label for label in output.exclusive_speaker_diarization.labels() if label not in labels]
        return everyone, one_at_a_time, _embeddings(labels, output.speaker_embeddings)


def bounded(turns: Sequence[Turn], duration: float) -> list[Turn]:
    """Turns in order, in whole milliseconds, inside the recording and never on top of each other."""
    inside: list[Turn] = []
    reached = 0.0
    for turn in sorted(turns, key=lambda turn: (turn.start, turn.end)):
        start, end = max(round(turn.start, 3), reached), min(round(turn.end, 3), _floor_ms(duration))
        if end > start:
            inside.append(Turn(start, end, turn.speaker))
            reached = end
    return inside


def merged(turns: Sequence[Turn]) -> list[Turn]:
    """Turns in order, with those of one speaker made one where nobody else speaks in a gap under 0.3 s."""
    joined: list[Turn] = []
    for turn in turns:
        last = joined[-1] if joined else None
        if last is not None and last.speaker == turn.speaker and turn.start - last.end < MERGE_GAP_SECONDS:
            joined[-1] = Turn(last.start, turn.end, turn.speaker)
        else:
            joined.append(turn)
    return joined


def spoken(turns: Sequence[Turn], samples: NDArray[np.float32], least: float) -> list[Turn]:
    """Turns but for those in which Silero VAD, that hears all of `samples`, finds speech for less than a share `least`.

    Times are seconds of `samples` (T,) at 16 kHz. A segmentation network takes some noises for somebody who speaks; by
    itself a turn of such noise is speech to Silero too.
    """
    if not turns or least <= 0:
        return list(turns)
    spans = np.array(vad.speech_spans(samples, _LONGEST_SPAN_SECONDS), np.float64).reshape(-1, 2) / SAMPLE_RATE
    kept = []
    for turn in turns:
        common = np.minimum(spans[:, 1], turn.end) - np.maximum(spans[:, 0], turn.start)
        if np.maximum(common, 0.0).sum() >= least * (turn.end - turn.start):
            kept.append(turn)
    return kept


def without_snippets(turns: Sequence[Turn], shortest: float) -> list[Turn]:
    """Turns of `shortest` seconds or more; a speaker interrupted by nothing but a snippet keeps the turn."""
    return merged([turn for turn in turns if turn.end - turn.start >= shortest])


def overlap_shares(turns: Sequence[Turn], said: Sequence[Turn]) -> list[float]:
    """For each turn, the share of it in which somebody else of `said` speaks too. Both in order of start."""
    shares: list[float] = []
    ordered = sorted(said, key=lambda other: other.start)
    longest = max((other.end - other.start for other in ordered), default=0.0)
    starts = np.array([other.start for other in ordered])
    for turn in turns:
        first, last = np.searchsorted(starts, [turn.start - longest, turn.end])
        covered, reached = 0.0, turn.start
        for other in ordered[first:last]:
            if other.speaker != turn.speaker and other.end > reached:
                covered += max(0.0, min(other.end, turn.end) - max(other.start, reached))
                reached = max(reached, min(other.end, turn.end))
        shares.append(covered / (turn.end - turn.start))
    return shares


def ledger(duration: float, turns: Sequence[Turn], kept: Sequence[Turn]) -> list[LedgerEntry]:
    """Where a recording's seconds went; snippets inside a kept turn passed with it."""
    passed = sum(turn.end - turn.start for turn in kept)
    starts = np.array([turn.start for turn in kept])
    short = 0.0
    for turn in turns:
        place = int(np.searchsorted(starts, turn.start, side="right")) - 1
        if place < 0 or turn.start >= kept[place].end:
            short += turn.end - turn.start
    entries = [
        LedgerEntry("passed", passed),
        LedgerEntry("dropped", short, "turn_too_short"),
        LedgerEntry("dropped", duration - passed - short, "non_speech"),
    ]
    return [entry for entry in entries if entry.seconds > 0]


def _turns(annotation: Any) -> list[Turn]:
    return [
        Turn(segment.start, segment.end, str(label)) for segment, _, label in annotation.itertracks(yield_label=True)
    ]


def _seconds(turns: Sequence[Turn], speaker: str) -> float:
    return sum(turn.end - turn.start for turn in turns if turn.speaker == speaker)


def _embeddings(labels: Sequence[Any], rows: Any) -> dict[str, NDArray[np.float32] | None]:
    """pyannote gives rows in order of the labels; too few, all zero or not finite where it has none for a speaker."""
    found: dict[str, NDArray[np.float32] | None] = {}
    for index, label in enumerate(labels):
        row = None if rows is None or index >= len(rows) else np.asarray(rows[index], np.float32)
        usable = row is not None and bool(np.isfinite(row).all()) and bool(np.any(row))
        found[str(label)] = row if usable else None
    return found


def _floor_ms(seconds: float) -> float:
    return int(seconds * 1000) / 1000
