"""Linking finds people across recordings, keeps their ids, and never makes two speakers of one recording one person."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from tests.helpers.corpus_arrays import LocalSpeaker
from tests.helpers.corpus_arrays import linked as link

SIZE = 64
THRESHOLD = 0.6


def people(count: int, seed: int = 0) -> np.ndarray:
    """Unit vectors (count, 64); in so many dimensions two drawn at random are nearly at right angles."""
    drawn = np.random.default_rng(seed).normal(size=(count, SIZE))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def heard(person: np.ndarray, recording: str, label: str, spread: float = 0.5, seconds: float = 30.0) -> LocalSpeaker:
    """A local speaker whose embedding is the person's plus noise; cosine to another of the same: 1 / (1 + spread^2)."""
    seed = int.from_bytes(f"{recording}{label}".encode(), "big") % 2**32
    noise = np.random.default_rng(seed).normal(size=SIZE) / np.sqrt(SIZE)
    return LocalSpeaker(recording, label, "yue", seconds, list(person + spread * noise))


def recordings(count: int, cast: int, voices: np.ndarray, seed: int = 0) -> tuple[list[LocalSpeaker], dict]:
    """`count` recordings with `cast` people each; the truth is {(recording, label): person}."""
    draw = random.Random(seed)
    local, truth = [], {}
    for number in range(count):
        for label, person in enumerate(draw.sample(range(len(voices)), cast)):
            local.append(heard(voices[person], f"r{number:03d}", f"S{label}"))
            truth[f"r{number:03d}", f"S{label}"] = person
    return local, truth


def pairwise_f1(rows: list[dict], truth: dict) -> float:
    ids = {(row["recording_id"], row["local_speaker"]): row["speaker_id"] for row in rows}
    pairs = list(itertools.combinations(sorted(truth), 2))
    linked = {pair for pair in pairs if ids[pair[0]] == ids[pair[1]]}
    same = {pair for pair in pairs if truth[pair[0]] == truth[pair[1]]}
    return 2 * len(linked & same) / (len(linked) + len(same))


def test_ten_recordings_sharing_six_voices_are_linked() -> None:
    local, truth = recordings(10, 3, people(6))
    rows = link(local, THRESHOLD)
    assert pairwise_f1(rows, truth) == 1.0
    assert len({row["speaker_id"] for row in rows}) == 6
    assert all(row["similarity"] > THRESHOLD for row in rows)


def test_the_order_in_which_speakers_come_does_not_matter() -> None:
    local, _ = recordings(12, 3, people(7), seed=3)
    expected = link(local, THRESHOLD)
    for seed in range(4):
        shuffled = list(local)
        random.Random(seed).shuffle(shuffled)
        assert link(shuffled, THRESHOLD) == expected


def test_two_speakers_of_one_recording_are_never_linked_however_alike() -> None:
    voice = people(1)[0]
    local = [heard(voice, recording, label, spread=0.05) for recording in ("r1", "r2", "r3") for label in ("S0", "S1")]
    rows = link(local, THRESHOLD)
    for recording in ("r1", "r2", "r3"):
        ids = [row["speaker_id"] for row in rows if row["recording_id"] == recording]
        assert len(set(ids)) == 2
    assert len({row["speaker_id"] for row in rows}) == 2


def test_ids_stand_when_recordings_are_added_one_by_one() -> None:
    voices = people(8, seed=1)
    local, truth = recordings(20, 3, voices, seed=1)
    rows = link([speaker for speaker in local if speaker.recording_id < "r008"], THRESHOLD)
    for number in range(8, 20):
        before = {(row["recording_id"], row["local_speaker"]): row["speaker_id"] for row in rows}
        rows = link([speaker for speaker in local if speaker.recording_id <= f"r{number:03d}"], THRESHOLD, rows)
        after = {(row["recording_id"], row["local_speaker"]): row["speaker_id"] for row in rows}
        assert before.items() <= after.items()
    assert pairwise_f1(rows, truth) == 1.0


def test_a_stranger_gets_a_new_id_and_a_recording_taken_away_leaves_the_others_alone() -> None:
    voices = people(4)
    local, _ = recordings(6, 2, voices[:3])
    rows = link(local, THRESHOLD)
    stranger = heard(voices[3], "r900", "S0")
    more = link([*local, stranger], THRESHOLD, rows)
    (new,) = [row for row in more if row["recording_id"] == "r900"]
    assert new["speaker_id"] not in {row["speaker_id"] for row in rows}
    fewer = link([speaker for speaker in local if speaker.recording_id != "r000"], THRESHOLD, rows)
    ids = {(row["recording_id"], row["local_speaker"]): row["speaker_id"] for row in rows}
    assert all(row["speaker_id"] == ids[row["recording_id"], row["local_speaker"]] for row in fewer)


def test_a_label_that_means_somebody_else_after_a_new_diarization_is_linked_anew() -> None:
    voices = people(3)
    local = [heard(voices[0], "r1", "S0"), heard(voices[1], "r1", "S1"), heard(voices[0], "r2", "S0")]
    rows = link(local, THRESHOLD)
    swapped = [heard(voices[1], "r1", "S0"), heard(voices[0], "r1", "S1"), local[2]]
    ids = {(row["recording_id"], row["local_speaker"]): row["speaker_id"] for row in link(swapped, THRESHOLD, rows)}
    assert ids["r1", "S1"] == ids["r2", "S0"] != ids["r1", "S0"]


def test_speakers_without_an_embedding_are_linked_to_nobody_and_keep_their_id() -> None:
    silent = [LocalSpeaker("r1", "S0", None, 0.3, None), LocalSpeaker("r2", "S0", None, 0.3, [float("nan")] * SIZE)]
    rows = link(silent, THRESHOLD)
    assert rows[0]["speaker_id"] != rows[1]["speaker_id"]
    assert rows[0]["similarity"] is None
    assert [row["speaker_id"] for row in link(silent, THRESHOLD, rows)] == [row["speaker_id"] for row in rows]


def test_embeddings_of_two_models_are_not_compared() -> None:
    other = LocalSpeaker("r2", "S0", None, 9.0, [1.0, 0.0])
    rows = link([heard(people(1)[0], "r1", "S0"), other], THRESHOLD)
    assert rows[0]["speaker_id"] != rows[1]["speaker_id"]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_as_agglomerative_clustering_by_the_book_when_nothing_forbids_a_link(seed: int) -> None:
    from scipy.cluster.hierarchy import fcluster, linkage

    voices = people(12, seed)
    draw = random.Random(seed)
    local = [heard(voices[draw.randrange(12)], f"r{number}", "S0", spread=0.75) for number in range(90)]
    rows = {row["recording_id"]: row["speaker_id"] for row in link(local, THRESHOLD)}
    order = sorted(local, key=lambda speaker: speaker.key)
    expected = fcluster(linkage([s.embedding for s in order], "average", "cosine"), 1 - THRESHOLD, "distance")
    pairs = list(itertools.combinations(range(len(order)), 2))
    ours = [rows[order[a].recording_id] == rows[order[b].recording_id] for a, b in pairs]
    assert ours == [expected[a] == expected[b] for a, b in pairs]
