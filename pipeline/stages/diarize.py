"""Who speaks when, chapter by chapter, to turns that do not overlap: by pyannote's pipeline, or its networks and turns.

A checkpoint whose thresholds have `turn_separation` has its speakers told by the sound of their turns
(recognition/turn_clustering.py); any other by the clustering that it names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import chapters, original_audio
from pipeline.audio import vad
from pipeline.lake.rows import Row
from pipeline.lake.tables import span_id
from pipeline.recognition import checkpoints, thresholds, turn_windows
from pipeline.recognition.pyannote import SAMPLE_RATE, load_pipeline, quiet
from pipeline.recognition.resources import resources
from pipeline.recognition.turn_clustering import cluster
from pipeline.settings import Settings
from pipeline.speaker_turns import Turn, also_speaking, bounded, merged, overlap_shares, without_snippets
from pipeline.stage import LedgerEntry, Recording, Stage, StageResult

_LONGEST_SPAN_SECONDS = 30.0


class Diarize(Stage):
    """Speaker turns of a recording, their overlap, and one embedding per local speaker."""

    name = "diarize"
    version = "3"
    writes = "turns"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.diarize
        self._all_settings = settings
        self._pipeline: Any = None
        self._separation = thresholds.turn_separation(settings)
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
        shares, others = overlap_shares(kept, said), also_speaking(kept, said)
        result.rows = [
            {
                "turn_id": span_id(recording.recording_id, turn.start, turn.end),
                "recording_id": recording.recording_id,
                "start": turn.start,
                "end": turn.end,
                "local_speaker": turn.speaker,
                "overlap_share": share,
                "others": [
                    {"start": other.start, "end": other.end, "local_speaker": other.speaker} for other in speaking
                ],
                "embedding": None if (found := embeddings[turn.speaker]) is None else found.tolist(),
            }
            for turn, share, speaking in zip(kept, shares, others, strict=True)
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
            if self._separation is not None and turn_windows.takes_turns(self._pipeline):
                return self._by_turns(samples, self._separation)
            output = self._pipeline({"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE})
        everyone, one_at_a_time = _turns(output.speaker_diarization), _turns(output.exclusive_speaker_diarization)
        labels = list(output.speaker_diarization.labels())
        labels += [label for label in output.exclusive_speaker_diarization.labels() if label not in labels]
        return everyone, one_at_a_time, _embeddings(labels, output.speaker_embeddings)

    def _by_turns(
        self, samples: NDArray[np.float32], separation: float
    ) -> tuple[list[Turn], list[Turn], dict[str, NDArray[np.float32] | None]]:
        heard = turn_windows.windows(self._pipeline, samples)
        embed = turn_windows.embedder(self._pipeline, samples)
        found = cluster(heard, embed, separation, self._settings.min_speaker_share, self._settings.min_speaker_seconds)
        exclusive, second = (
            [Turn(heard.time(start), heard.time(end), _label(speaker)) for start, end, speaker in spans]
            for spans in (found.exclusive, found.second)
        )
        embeddings: dict[str, NDArray[np.float32] | None] = {turn.speaker: None for turn in exclusive}
        embeddings |= {_label(speaker): vector for speaker, vector in enumerate(found.embeddings)}
        return sorted(exclusive + second, key=lambda turn: turn.start), exclusive, embeddings


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


def _label(speaker: int) -> str:
    return f"SPEAKER_{speaker:02d}"


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
