"""CTC segmentation: where the lines of a long text are spoken, in a recording that has more and a text that may too.

Between two lines lies a wildcard that takes what is not in the text, and a line that is not spoken is passed over.
Viterbi in a band of states around the best one, so that time and memory grow with the recording and not with its
square. After Kuerzinger et al. 2020, CTC-Segmentation of Large Corpora.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WILDCARD_PENALTY = 1.5
"""Nats a frame that speech outside the text lies under its best letter."""
_UNSAID_PENALTY = 3.0
"""The same inside a line, where it is a word that the text lacks."""
_UNKNOWN_PENALTY = 1.0
"""The same for a character whose letters nobody knows."""
_PASSED_OVER_PENALTY = 10.0
"""Nats for a line that is not spoken."""
_BAND = 3000
_BLOCK = 100
_STAY, _STEP, _SKIP, _PASS = 0, 1, 2, 3


@dataclass(frozen=True)
class LaidLine:
    """First and past last frame of each character, and the mean probability of its frames."""

    frames: tuple[tuple[int, int], ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class _States:
    """One state for each label, blank and wildcard of the text, in order; wildcards are where `line` is -1."""

    symbol: NDArray[np.int32]
    line: NDArray[np.int32]
    character: NDArray[np.int32]
    may_skip: NDArray[np.bool_]
    wildcards: NDArray[np.int64]


def lay_lines(log_probs: Any, lines: Sequence[Sequence[Sequence[int]]]) -> list[LaidLine | None]:
    """Where each line is spoken in emissions (T, labels) of natural log probabilities, label 0 the blank; None if not.

    `lines` holds the labels of each character of each line; a character without labels is unknown and takes what is
    spoken there.
    """
    if not lines or not len(log_probs):
        return [None] * len(lines)
    emissions = _with_wildcards(np.asarray(log_probs, np.float32))
    states = _states(lines, emissions.shape[1])
    path = _best_path(emissions, states)
    return _laid(path, emissions, states, lines)


def _with_wildcards(log_probs: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, labels + 2): the blank also takes unsaid words; then an unknown character, and speech outside the text."""
    blank, best = log_probs[:, :1], log_probs[:, 1:].max(axis=1, keepdims=True)
    return np.concatenate(
        [
            np.maximum(blank, best - _UNSAID_PENALTY),
            log_probs[:, 1:],
            best - _UNKNOWN_PENALTY,
            np.maximum(blank, best - _WILDCARD_PENALTY),
        ],
        axis=1,
    )


def _states(lines: Sequence[Sequence[Sequence[int]]], columns: int) -> _States:
    unknown, outside = columns - 2, columns - 1
    symbol, line, character, may_skip, wildcards = [], [], [], [], []
    for number, characters in enumerate(lines):
        wildcards.append(len(symbol))
        symbol, line, character, may_skip = [*symbol, outside], [*line, -1], [*character, -1], [*may_skip, False]
        before = None
        for place, labels in enumerate(characters):
            for label in labels or (unknown,):
                if before is not None:
                    symbol.append(0)
                    line.append(number)
                    character.append(-1)
                    may_skip.append(False)
                symbol.append(label)
                line.append(number)
                character.append(place)
                may_skip.append(before is not None and (before != label or label == unknown))
                before = label
    wildcards.append(len(symbol))
    return _States(
        np.array([*symbol, outside], np.int32),
        np.array([*line, -1], np.int32),
        np.array([*character, -1], np.int32),
        np.array([*may_skip, False], np.bool_),
        np.array(wildcards, np.int64),
    )


def _best_path(emissions: NDArray[np.float32], states: _States) -> NDArray[np.int64]:
    """The state of each frame: scores block by block forwards, then each block again backwards with its decisions."""
    frames, count = len(emissions), len(states.symbol)
    band = min(_BAND, count)
    scores = np.full(band, -np.inf, np.float32)
    scores[0] = 0.0
    low = 0
    begins: list[tuple[int, NDArray[np.float32]]] = []
    for start in range(0, frames, _BLOCK):
        low, scores = _moved(scores, low, count)
        begins.append((low, scores))
        scores, _ = _forward(emissions[start : start + _BLOCK], states, low, scores, start == 0, decide=False)
    path = np.zeros(frames, np.int64)
    state = _last(scores, low, states)
    for number in range(len(begins) - 1, -1, -1):
        low, scores = begins[number]
        start = number * _BLOCK
        block = emissions[start : start + _BLOCK]
        _, decisions = _forward(block, states, low, scores, start == 0, decide=True)
        for frame in range(len(block) - 1, -1, -1):
            path[start + frame] = state
            decision = decisions[frame, state - low]
            if decision == _PASS:
                state = int(states.wildcards[np.searchsorted(states.wildcards, state) - 1])
            else:
                state -= int(decision)
    return path


def _moved(scores: NDArray[np.float32], low: int, count: int) -> tuple[int, NDArray[np.float32]]:
    """The band moved on so that its best state is in its middle at most."""
    best = low + int(np.argmax(scores))
    new = min(max(low, best - len(scores) // 2), count - len(scores))
    moved = np.full_like(scores, -np.inf)
    moved[: len(scores) - (new - low)] = scores[new - low :]
    return new, moved


def _forward(
    block: NDArray[np.float32], states: _States, low: int, scores: NDArray[np.float32], first: bool, decide: bool
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Scores of the band's states after a block of frames, and if `decide` how each was reached in each frame."""
    high = low + len(scores)
    wildcards = states.wildcards[(states.wildcards >= low) & (states.wildcards < high)] - low
    sources, targets = wildcards[:-1], wildcards[1:]
    decisions = np.zeros((len(block), len(scores)) if decide else (0, 0), np.int8)
    emitted = block[:, states.symbol[low:high]]
    no_skip = np.where(states.may_skip[low:high], np.float32(0.0), np.float32(-np.inf))[2:]
    step, skip = np.full_like(scores, -np.inf), np.full_like(scores, -np.inf)
    for frame in range(len(block)):
        if first and frame == 0:
            # A recording may begin in the wildcard or in the first label.
            scores = np.full_like(scores, -np.inf)
            scores[:2] = emitted[0, :2]
            continue
        step[1:] = scores[:-1]
        np.add(scores[:-2], no_skip, out=skip[2:])
        best = np.maximum(np.maximum(scores, step), skip)
        passed = scores[sources] - np.float32(_PASSED_OVER_PENALTY)
        better = passed > best[targets]
        if decide:
            decisions[frame] = np.where(scores >= best, _STAY, np.where(step >= best, _STEP, _SKIP))
            decisions[frame, targets[better]] = _PASS
        best[targets[better]] = passed[better]
        scores = best + emitted[frame]
    return scores, decisions


def _last(scores: NDArray[np.float32], low: int, states: _States) -> int:
    """The best state to end in, lines that are left counted as passed over."""
    ends = np.concatenate([states.wildcards, states.wildcards[1:] - 1])
    left = np.concatenate([np.arange(len(states.wildcards))[::-1], np.arange(len(states.wildcards) - 1)[::-1]])
    inside = (ends >= low) & (ends < low + len(scores))
    ends, left = ends[inside], left[inside]
    return int(ends[np.argmax(scores[ends - low] - _PASSED_OVER_PENALTY * left)])


def _laid(
    path: NDArray[np.int64],
    emissions: NDArray[np.float32],
    states: _States,
    lines: Sequence[Sequence[Sequence[int]]],
) -> list[LaidLine | None]:
    spans: list[list[tuple[int, int] | None]] = [[None] * len(characters) for characters in lines]
    sums: list[list[float]] = [[0.0] * len(characters) for characters in lines]
    counts: list[list[int]] = [[0] * len(characters) for characters in lines]
    for frame, state in enumerate(path):
        line, character = int(states.line[state]), int(states.character[state])
        if line < 0 or character < 0:
            continue
        before = spans[line][character]
        spans[line][character] = (frame if before is None else before[0], frame + 1)
        sums[line][character] += float(np.exp(emissions[frame, states.symbol[state]]))
        counts[line][character] += 1
    found: list[LaidLine | None] = []
    for number in range(len(lines)):
        own = [span for span in spans[number] if span is not None]
        if not own or len(own) < len(lines[number]):
            found.append(None)
            continue
        scores = (total / max(1, count) for total, count in zip(sums[number], counts[number], strict=True))
        found.append(LaidLine(tuple(own), tuple(scores)))
    return found
