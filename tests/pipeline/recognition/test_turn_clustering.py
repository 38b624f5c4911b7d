"""Speakers told by the sound of turns: by hand-made tracks and embeddings with known truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.recognition.speech_pieces import Windows, parts_of, pieces_of
from pipeline.recognition.turn_clustering import Embed, cluster, speakers_of
from pipeline.speaker_turns import Turn, also_speaking

STEP = 0.05
WIDTH = 200
AXES = np.eye(8)


def windows_of(active: np.ndarray, swapped: bool = False) -> Windows:
    """Windows of 10 s each 2 s over `active` (G, S); `swapped` gives the tracks of every other window another order."""
    first = np.arange(0, len(active) - WIDTH + 1, 40)
    tracks = np.stack([active[start : start + WIDTH] for start in first]).astype(np.uint8)
    if swapped:
        tracks[1::2] = tracks[1::2][:, :, ::-1]
    return Windows(tracks, first, active.sum(axis=1).astype(np.int64), 0.0, STEP)


def conversation(turns: Sequence[tuple[int, int, int]], frames: int, tracks: int = 3) -> np.ndarray:
    """(G, S) from turns (first frame, end frame, speaker)."""
    active = np.zeros((frames, tracks), int)
    for start, end, speaker in turns:
        active[start:end, speaker] = 1
    return active


def voices(turns: Sequence[tuple[int, int, int]], frames: int) -> Embed:
    """An embedding of each speaker along an axis of their own; of a mixture, between them."""
    active = conversation(turns, frames)

    def embed(spans: Sequence[tuple[float, float]]) -> np.ndarray:
        heard = sum(active[round(start / STEP) : round(end / STEP)].sum(axis=0) for start, end in spans)
        vector = heard @ AXES[:3] + 0.01 * AXES[5]
        return vector.astype(np.float32)

    return embed


TURNS = [(10, 60, 0), (70, 110, 1), (110, 170, 2), (180, 230, 0), (230, 238, 1), (238, 300, 2), (320, 380, 1)]
"""Two changes without a pause, and a word of 0.4 s."""


def test_quick_turns_are_told_apart_whatever_order_the_tracks_of_a_window_have() -> None:
    heard = windows_of(conversation(TURNS, 400), swapped=True)
    found = cluster(heard, voices(TURNS, 400), 0.5, 0.03, 1.0)
    names = {found.exclusive[0][2]: 0}
    assert len(found.embeddings) == 3
    speakers = []
    for start, end, speaker in TURNS:
        over = {who for first, last, who in found.exclusive if min(last, end) - max(first, start) > 2}
        assert len(over) == 1
        speakers.append((names.setdefault(over.pop(), speaker), speaker))
    assert all(one == other for one, other in speakers)
    assert found.second == []


def test_who_speaks_at_once_is_found_by_the_tracks_on_both_sides() -> None:
    turns = [(10, 80, 0), (65, 140, 1), (150, 220, 0), (220, 300, 1)]
    found = cluster(windows_of(conversation(turns, 320)), voices(turns, 320), 0.5, 0.03, 1.0)
    ((start, end, second),) = found.second
    assert (start, end) == (65, 80)
    first = {who for begin, stop, who in found.exclusive if begin <= 70 < stop}
    assert first | {second} == {0, 1}


def test_one_voice_is_one_speaker_and_a_cluster_too_small_goes_to_the_nearest() -> None:
    draw = np.random.default_rng(0)
    alone = AXES[0] + 0.2 * draw.normal(size=(20, 8))
    alone /= np.linalg.norm(alone, axis=1, keepdims=True)
    seconds = np.full(20, 2.0)
    assert set(speakers_of(alone, seconds, 0.57, 2.0)) == {0}
    two = np.concatenate([alone[:10], np.roll(alone[10:], 3, axis=1), alone[:1] * 0.8 + 0.6 * AXES[7]])
    two /= np.linalg.norm(two, axis=1, keepdims=True)
    found = speakers_of(two, np.array([2.0] * 20 + [0.9]), 0.57, 2.0)
    assert list(found == found[0]) == [True] * 10 + [False] * 10 + [True]


def test_speech_is_cut_where_most_windows_hear_another_and_at_long_pauses() -> None:
    active = conversation([(10, 60, 0), (63, 110, 0), (110, 170, 1), (200, 230, 1)], 240)
    pieces = pieces_of(windows_of(active))
    assert pieces == [[(10, 60), (63, 110)], [(110, 170)], [(200, 230)]]
    assert parts_of(pieces[0], STEP) == [[(10, 60)], [(63, 110)]]
    assert parts_of(pieces[0], 0.5 * STEP) == [pieces[0]]


def test_nothing_long_enough_for_an_embedding_is_one_speaker() -> None:
    turns = [(10, 20, 0), (40, 50, 1)]
    found = cluster(windows_of(conversation(turns, 240)), voices(turns, 240), 0.5, 0.03, 1.0)
    assert found.exclusive == [(10, 20, 0), (40, 50, 0)]
    assert found.embeddings == []


def test_others_in_a_turn_are_named_with_their_times_inside_it() -> None:
    said = [Turn(0.0, 5.0, "a"), Turn(4.0, 8.0, "b"), Turn(6.0, 6.5, "c")]
    turns = [Turn(0.0, 4.5, "a"), Turn(4.5, 8.0, "b")]
    assert also_speaking(turns, said) == [[Turn(4.0, 4.5, "b")], [Turn(4.5, 5.0, "a"), Turn(6.0, 6.5, "c")]]
