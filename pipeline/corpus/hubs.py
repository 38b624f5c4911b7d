"""Speakers who are in so many recordings of a dialect that they would tie all of them together: interviewers, hosts.

A hub's segments are for training only: they tie no recordings, and in held-out recordings they are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus.candidates import ranges

_FEWEST_RECORDINGS = 3
_FEWEST_MET = 3


@dataclass(frozen=True)
class Hub:
    """A linked speaker in `recordings` of a dialect's `of_recordings` with `met` other speakers."""

    speaker_id: str
    dialect: str
    recordings: int
    of_recordings: int
    met: int

    def __str__(self) -> str:
        return (
            f"{self.speaker_id}: in {self.recordings} of {self.of_recordings} recordings of {self.dialect}, "
            f"with {self.met} other speakers"
        )


@dataclass(frozen=True)
class Appearance:
    """Who is kept where, a row each: numbers of dialect, recording and speaker, and the names by number, in order."""

    dialect: NDArray[np.int64]
    recording: NDArray[np.int64]
    speaker: NDArray[np.int64]
    dialects: list[str]
    speakers: list[str]


def find(heard: Appearance, share: float, standing: NDArray[np.bool_]) -> dict[int, Hub]:
    """{number of a speaker: Hub}.

    A hub is in more than `share` of a dialect's recordings, in at least three, and meets at least three others there: a
    voice that is alone in all its recordings ties nothing. Who is one in one dialect is one in all, and `standing`,
    those of the run before, remain.
    """
    hubs: dict[int, Hub] = {}
    many = len(heard.speakers)
    for number in np.unique(heard.dialect).tolist():
        here = heard.dialect == number
        # Sorted by recording, so that who is in one stands together.
        pairs = np.unique(heard.recording[here].astype(np.int64) * many + heard.speaker[here])
        recording, speaker = pairs // many, pairs % many
        recordings, begins = np.unique(recording, return_index=True)
        ends = np.append(begins[1:], len(pairs))
        present = np.bincount(speaker, minlength=many)
        often = (present > share * len(recordings)) & (present >= _FEWEST_RECORDINGS)
        by_speaker = np.argsort(speaker, kind="stable")
        in_order = speaker[by_speaker]
        for who in np.flatnonzero(often | (standing & (present > 0))).tolist():
            low, high = np.searchsorted(in_order, (who, who + 1))
            at = np.searchsorted(recordings, recording[by_speaker[low:high]])
            met = len(np.unique(speaker[ranges(begins[at], ends[at])])) - 1
            found = Hub(heard.speakers[who], heard.dialects[number], int(present[who]), len(recordings), met)
            if ((often[who] and met >= _FEWEST_MET) or standing[who]) and (
                who not in hubs or hubs[who].recordings < found.recordings
            ):
                hubs[who] = found
    return hubs
