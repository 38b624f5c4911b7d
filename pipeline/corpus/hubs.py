"""Speakers who are in so many recordings of a dialect that they would tie all of them together: interviewers, hosts.

A hub's segments are for training only: they tie no recordings, and in held-out recordings they are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

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


def find(appearances: Iterable[tuple[str, str, str]], share: float, standing: Collection[str] = ()) -> dict[str, Hub]:
    """{speaker_id: Hub} from (dialect, recording_id, speaker_id) of what is kept.

    A hub is in more than `share` of a dialect's recordings, in at least three, and meets at least three others there: a
    voice that is alone in all its recordings ties nothing. Who is one in one dialect is one in all, and `standing`,
    those of the run before, remain.
    """
    cast: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for dialect, recording_id, speaker_id in appearances:
        cast[dialect][recording_id].add(speaker_id)
    hubs: dict[str, Hub] = {}
    for dialect, recordings in sorted(cast.items()):
        present: dict[str, int] = defaultdict(int)
        met: dict[str, set[str]] = defaultdict(set)
        for people in recordings.values():
            for speaker in people:
                present[speaker] += 1
                met[speaker] |= people - {speaker}
        for speaker, count in sorted(present.items()):
            ties_many = (
                count > share * len(recordings) and count >= _FEWEST_RECORDINGS and len(met[speaker]) >= _FEWEST_MET
            )
            found = Hub(speaker, dialect, count, len(recordings), len(met[speaker]))
            if (ties_many or speaker in standing) and (
                speaker not in hubs or hubs[speaker].recordings < found.recordings
            ):
                hubs[speaker] = found
    return hubs
