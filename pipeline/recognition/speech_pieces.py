"""What a segmentation network says in its windows, and speech cut into pieces of one speaker by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BRIDGED_SECONDS = 0.5
"""A speaker who goes on after a shorter pause, by most windows' tracks, is in the same piece."""
_CHANGE_SHARE = 0.5
_JITTER_FRAMES = 2
"""Windows place one speaker change this far from each other."""
_SPLIT_SECONDS = 1.5
"""A piece is cut at its longest pause while both parts have so much speech: a change there may have been missed."""


@dataclass(frozen=True)
class Windows:
    """What a segmentation network says: `tracks` (N, F, S) of 0 and 1 for N windows of F frames and S tracks.

    Window n begins at frame `first[n]` of the recording; frame g is at `start + g * step` seconds.
    """

    tracks: NDArray[np.uint8]
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    """(G,) how many speak at once in each frame of the recording."""
    start: float
    step: float

    def time(self, frame: int) -> float:
        return self.start + frame * self.step

    def over(self, start: int, end: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """(first frame, tracks (F, S)) of the windows that have a frame of [start, end)."""
        low = int(np.searchsorted(self.first, start - self.tracks.shape[1], "right"))
        high = int(np.searchsorted(self.first, end, "left"))
        yield from ((int(self.first[index]), self.tracks[index]) for index in range(low, high))


def pieces_of(windows: Windows) -> list[list[tuple[int, int]]]:
    """Spans of frames in which one alone speaks, those put together that short pauses part and one track holds."""
    changes = _changes(windows)
    alone = windows.count == 1
    pieces: list[list[tuple[int, int]]] = []
    start: int | None = None
    for frame in range(alone.size + 1):
        inside = frame < alone.size and bool(alone[frame])
        if start is not None and (not inside or changes[frame]):
            span = (start, frame)
            last = pieces[-1][-1] if pieces else None
            if last is not None and _goes_on(windows, last, span, changes):
                pieces[-1].append(span)
            else:
                pieces.append([span])
            start = None
        if inside and start is None:
            start = frame
    return pieces


def parts_of(piece: list[tuple[int, int]], step: float) -> list[list[tuple[int, int]]]:
    """The piece, cut at its longest pause as long as both parts have enough speech."""
    lengths = np.array([end - start for start, end in piece]) * step
    before = np.cumsum(lengths)
    gaps = [
        (piece[index + 1][0] - piece[index][1], index + 1)
        for index in range(len(piece) - 1)
        if min(before[index], before[-1] - before[index]) >= _SPLIT_SECONDS
    ]
    if not gaps:
        return [piece]
    _, at = max(gaps)
    return [*parts_of(piece[:at], step), *parts_of(piece[at:], step)]


def _changes(windows: Windows) -> NDArray[np.bool_]:
    """(G,) True where most windows hear somebody else than in the frame before, without a pause between."""
    heard = np.zeros(windows.count.size)
    covered = np.zeros(windows.count.size)
    codes = windows.tracks @ (1 << np.arange(windows.tracks.shape[2]))
    for first, code in zip(windows.first, codes, strict=True):
        change = (code[1:] != code[:-1]) & (code[1:] > 0) & (code[:-1] > 0)
        place = slice(first + 1, first + code.size)
        heard[place] += change[: heard[place].size]
        covered[place] += 1
    reach = np.arange(-_JITTER_FRAMES, _JITTER_FRAMES + 1)
    share = np.convolve(heard / np.maximum(covered, 1), 1.0 - np.abs(reach) / (_JITTER_FRAMES + 1), "same")
    found = np.zeros(windows.count.size, bool)
    for frame in np.argsort(-share, kind="stable"):
        if share[frame] < _CHANGE_SHARE:
            break
        near = slice(max(0, frame - 2 * _JITTER_FRAMES), frame + 2 * _JITTER_FRAMES + 1)
        if not found[near].any():
            found[frame] = True
    return found


def _goes_on(windows: Windows, last: tuple[int, int], span: tuple[int, int], changes: NDArray[np.bool_]) -> bool:
    gap = span[0] - last[1]
    if gap * windows.step >= _BRIDGED_SECONDS or changes[last[1] : span[0] + 1].any():
        return False
    if (windows.count[last[1] : span[0]] > 1).any():
        return False
    same = other = 0
    for first, tracks in windows.over(last[1] - 1, span[0] + 1):
        before, after = last[1] - 1 - first, span[0] - first
        if before >= 0 and after < len(tracks) and tracks[before].any() and tracks[after].any():
            together = bool((tracks[before] & tracks[after]).any())
            same, other = same + together, other + (not together)
    return same > other
