"""Emissions of a CTC aligner over the turns of a recording, one after another, with the time of each frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.lake.rows import Row
from pipeline.recognition.alignment import SAMPLE_RATE, Aligner
from pipeline.stage import Recording
from pipeline.turn_audio import read_turns


@dataclass(frozen=True)
class TurnEmissions:
    """`log_probs` (T, labels), `starts` (T,) seconds of the recording, frames of `frame_seconds`."""

    log_probs: NDArray[np.float32]
    starts: NDArray[np.float64]
    frame_seconds: float

    def between(self, start: float, end: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Frames that begin in a span, and their times."""
        chosen = (self.starts >= start - self.frame_seconds) & (self.starts < end)
        return self.log_probs[chosen], self.starts[chosen]


def turn_emissions(recording: Recording, turns: Sequence[Row], aligner: Aligner) -> TurnEmissions:
    """Of turns that do not overlap, in order of start; reads the file once."""
    pieces: list[NDArray[np.float32]] = []
    starts: list[NDArray[np.float64]] = []
    seconds = 0.01
    for turn, samples in read_turns(recording, turns, (), SAMPLE_RATE):
        log_probs, seconds = aligner.emissions(samples)
        pieces.append(np.asarray(log_probs, np.float32))
        starts.append(turn["start"] + seconds * np.arange(len(log_probs)))
    if not pieces:
        return TurnEmissions(np.zeros((0, 2), np.float32), np.zeros(0), seconds)
    return TurnEmissions(np.concatenate(pieces), np.concatenate(starts), seconds)
