"""Who speaks, told by each turn's own sound: pieces of speech between speaker changes, clustered by their embeddings.

A segmentation network's tracks hold for seconds and mix speakers up where turns are short; here they only say where
somebody else begins, who speaks at once, and to which neighbour a piece belongs that is too short for an embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.recognition.speech_pieces import Windows, parts_of, pieces_of

Embed = Callable[[Sequence[tuple[float, float]]], "NDArray[np.float32] | None"]
"""Spans in seconds -> the embedding (D,) of their sound put together, or None. Short sound is repeated."""

_CLUSTERED_SECONDS = 0.8
"""Shorter pieces found no cluster."""
_SURE_SECONDS = 0.4
"""In shorter pieces the tracks have a say, too."""
_COSINE_WEIGHT = 2.0
_NEAR_SECONDS = 3.0
_FEWEST_PIECES = 3
_ROUNDS = 3
_LEAST_WEIGHT = 1e-6
_LEAST_SEPARATION = 0.3
_APART = 0.5
"""Of one voice no two clusters were as far from each other in studio scenes of training voices."""
_DISTANCES = np.linspace(0.05, 1.2, 47)
"""Cosine distances at which the tree of average linkage is cut, one to be chosen."""


@dataclass(frozen=True)
class Found:
    """Spans (first frame, end frame, speaker), those who speak at once included, and each speaker's embedding (D,)."""

    exclusive: list[tuple[int, int, int]]
    second: list[tuple[int, int, int]]
    embeddings: list[NDArray[np.float32]]


def cluster(windows: Windows, embed: Embed, separation: float, least_share: float, least_seconds: float) -> Found:
    """Speakers of a recording, numbered from 0.

    The tree of average linkage over the pieces' embeddings is cut where the silhouette (Rousseeuw 1987; by cosine
    distance, weighted by seconds) is best. Where none reaches `separation`, it is the best of the cuts whose clusters
    are clearly apart (no two of them closer than cosine 0.5), and without such a cut one speaker. A cluster with less
    than `least_seconds`, or less than `least_share` of the speech, goes to the nearest other one.
    """
    pieces = [part for piece in pieces_of(windows) for part in parts_of(piece, windows.step)]
    seconds = np.array([sum(end - start for start, end in piece) * windows.step for piece in pieces])
    vectors: list[NDArray[np.float64] | None] = []
    for piece in pieces:
        spans = [(windows.time(start), windows.time(end)) for start, end in piece]
        vectors.append(_unit(embed(spans)))
    found = [
        (index, vector)
        for index, (vector, length) in enumerate(zip(vectors, seconds, strict=True))
        if vector is not None and length >= _CLUSTERED_SECONDS
    ]
    frames = np.full(windows.count.size, -1)
    if not found:
        # Nothing is long enough to be told apart: one speaker, without an embedding.
        frames[windows.count > 0] = 0
        return Found(_runs(frames), [], [])
    known = np.array([index for index, _ in found])
    stacked, weights = np.stack([vector for _, vector in found]), seconds[known]
    told = speakers_of(stacked, weights, separation, max(least_seconds, least_share * float(seconds.sum())))
    labels = np.full(len(pieces), -1)
    labels[known] = told
    _write(frames, pieces, labels)
    means = np.stack([np.average(stacked[told == label], 0, weights[told == label]) for label in range(told.max() + 1)])
    centres = means / np.linalg.norm(means, axis=1, keepdims=True)
    for index in np.flatnonzero(labels < 0):
        vector = vectors[index]
        scores = np.zeros(len(means)) if vector is None else _COSINE_WEIGHT * (centres @ vector)
        if vector is None or seconds[index] < _SURE_SECONDS:
            votes = _votes(windows, frames, pieces[index][0][0], pieces[index][-1][1])
            for speaker, share in votes.items():
                scores[speaker] += share / sum(votes.values())
        labels[index] = int(scores.argmax())
    _write(frames, pieces, labels)
    second = _at_once(windows, frames)
    return Found(_runs(frames), second, list(means.astype(np.float32)))


def speakers_of(
    vectors: NDArray[np.float64], seconds: NDArray[np.float64], separation: float, least: float
) -> NDArray[np.int64]:
    """Unit vectors (N, D) with their seconds (N,) -> speakers (N,) from 0, as in `cluster`; `least` is in seconds."""
    from scipy.cluster.hierarchy import fcluster, linkage

    best: tuple[tuple[bool, float], NDArray[np.int64]] = ((False, _LEAST_SEPARATION), np.zeros(len(vectors), np.int64))
    if len(vectors) < _FEWEST_PIECES:
        return best[1]
    tree = linkage(vectors, "average", "cosine")
    cosine = vectors @ vectors.T
    seen: set[bytes] = set()
    for distance in _DISTANCES:
        cut = fcluster(tree, distance, "distance").astype(np.int64) - 1
        labels = _without_small(cut, vectors, seconds, least)
        if labels.max() == 0 or labels.tobytes() in seen:
            continue
        seen.add(labels.tobytes())
        reached = _silhouette(labels, cosine, seconds)
        rank = (reached >= separation, reached)
        if rank > best[0] and (rank[0] or _closest(labels, cosine, seconds) <= _APART):
            best = (rank, labels)
    return best[1]


def _closest(labels: NDArray[np.int64], cosine: NDArray[np.float64], seconds: NDArray[np.float64]) -> float:
    """Mean cosine of the two clusters that are nearest to each other."""
    members = np.eye(int(labels.max()) + 1)[labels] * seconds[:, None]
    total = members.sum(axis=0)
    between = members.T @ cosine @ members / np.outer(total, total)
    np.fill_diagonal(between, -np.inf)
    return float(between.max())


def _silhouette(labels: NDArray[np.int64], cosine: NDArray[np.float64], seconds: NDArray[np.float64]) -> float:
    """Mean over vectors, weighted by seconds, of (distance to the nearest other - to the own) / the larger."""
    members = np.eye(int(labels.max()) + 1)[labels] * seconds[:, None]
    own = np.arange(len(labels)), labels
    total = cosine @ members
    total[own] -= seconds
    weight = np.tile(members.sum(axis=0), (len(labels), 1))
    weight[own] -= seconds
    # One that is alone in its cluster is like nobody.
    likeness = np.where(weight > _LEAST_WEIGHT, total / np.maximum(weight, _LEAST_WEIGHT), 0.0)
    inside = 1.0 - likeness[own]
    likeness[own] = -np.inf
    outside = 1.0 - likeness.max(axis=1)
    return float(np.average((outside - inside) / np.maximum(np.maximum(inside, outside), 1e-9), weights=seconds))


def _write(frames: NDArray[np.int64], pieces: Sequence[list[tuple[int, int]]], labels: NDArray[np.int64]) -> None:
    for piece, label in zip(pieces, labels, strict=True):
        for start, end in piece:
            frames[start:end] = label


def _without_small(
    labels: NDArray[np.int64], vectors: NDArray[np.float64], weights: NDArray[np.float64], least: float
) -> NDArray[np.int64]:
    """Labels from 0, of clusters with `least` seconds; every vector goes to the nearest of them."""
    sizes = np.bincount(labels, weights)
    large = np.flatnonzero(sizes >= least)
    if large.size == 0:
        large = np.array([int(np.argmax(sizes))])
    found = labels.copy()
    for _ in range(_ROUNDS):
        centres = np.stack([(vectors[found == label] * weights[found == label, None]).sum(axis=0) for label in large])
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        found = large[(vectors @ centres.T).argmax(axis=1)]
        large = np.unique(found)
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def _votes(windows: Windows, frames: NDArray[np.int64], start: int, end: int) -> dict[int, float]:
    """{speaker: votes} of windows: whom each track that is active in [start, end) stands for nearest by, alone."""
    votes: dict[int, float] = {}
    reach = round(_NEAR_SECONDS / windows.step)
    for first, tracks in windows.over(start, end):
        low, high = max(start - first, 0), min(end - first, len(tracks))
        alone = tracks.sum(axis=1) == 1
        for track in np.flatnonzero(tracks[low:high].any(axis=0)):
            places = np.flatnonzero(alone & (tracks[:, track] == 1))
            places = places[first + places < frames.size]
            places = places[frames[first + places] >= 0]
            if not places.size:
                continue
            distance = np.maximum(np.maximum(low - places, places - high + 1), 0)
            nearest = int(np.argmin(distance))
            if distance[nearest] <= reach:
                speaker = int(frames[first + places[nearest]])
                votes[speaker] = votes.get(speaker, 0.0) + float(tracks[low:high, track].sum())
    return votes


def _best(votes: dict[int, float], count: int) -> list[int]:
    return sorted(votes, key=lambda speaker: (-votes[speaker], speaker))[:count]


def _at_once(windows: Windows, frames: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Gives `frames` in which several speak to one of them, in place; spans of the second speaker."""
    second: list[tuple[int, int, int]] = []
    both = np.flatnonzero(np.diff(np.concatenate([[0], windows.count > 1, [0]]).astype(np.int8)))
    for start, end in both.reshape(-1, 2):
        votes = _votes(windows, frames, start, end)
        if not votes:
            continue
        first, *others = _best(votes, 2)
        frames[start:end] = first
        second += [(int(start), int(end), other) for other in others]
    return second


def _runs(frames: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Spans (first frame, end frame, speaker) of equal neighbours, without those of nobody (-1)."""
    edges = np.flatnonzero(np.diff(frames, prepend=-2))
    return [
        (int(start), int(end), int(frames[start]))
        for start, end in zip(edges, [*edges[1:], frames.size], strict=True)
        if frames[start] >= 0
    ]


def _unit(vector: NDArray[np.float32] | None) -> NDArray[np.float64] | None:
    if vector is None:
        return None
    exact = np.asarray(vector, np.float64)
    length = float(np.linalg.norm(exact))
    return exact / length if np.isfinite(length) and length > 0 else None
