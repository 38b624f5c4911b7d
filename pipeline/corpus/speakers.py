"""Links the local speakers of all recordings to people: pure, by the cosine similarity of their embeddings.

One rule serves the first run and each later one: clusters of average linkage are merged, best pair first, while their
similarity is above the threshold and they share no recording. Clusters of an earlier run are never split or merged with
each other, so their ids stand when recordings are added.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.lake.rows import Row

Key = tuple[str, str]
_FULL_WEIGHT_SECONDS = 60.0
_LEAST_WEIGHT_SECONDS = 0.1
_SAME_EMBEDDING = 0.999
_CHUNK = 3000
"""New local speakers linked at once: the similarities of all pairs are held in memory (72 MB)."""


@dataclass(frozen=True)
class LocalSpeaker:
    """A speaker as diarization sees it inside one recording; `embedding` may be missing."""

    recording_id: str
    label: str
    dialect: str | None
    seconds: float
    embedding: Sequence[float] | None

    @property
    def key(self) -> Key:
        return self.recording_id, self.label


@dataclass
class _Cluster:
    """`total` is the weighted sum of the members' unit embeddings, so that dot products give the average linkage."""

    total: NDArray[np.float64]
    weight: float
    recordings: set[str]
    members: list[LocalSpeaker] = field(default_factory=list)
    speaker_id: str = ""

    @property
    def mean(self) -> NDArray[np.float64]:
        return self.total / self.weight

    def absorb(self, other: _Cluster) -> None:
        self.total = self.total + other.total
        self.weight += other.weight
        self.recordings |= other.recordings
        self.members += other.members
        self.speaker_id = self.speaker_id or other.speaker_id


def link(speakers: Sequence[LocalSpeaker], threshold: float, previous: Sequence[Row] = ()) -> list[Row]:
    """Rows of table speakers, ordered by recording and label.

    `previous` are the rows of the run before: who is in them with the same embedding keeps the speaker_id. A local
    speaker without an embedding is linked to nobody. The same input gives the same output in whatever order it comes.
    """
    before = {(row["recording_id"], row["local_speaker"]): row for row in previous}
    taken = {row["speaker_id"] for row in previous}
    ordered = sorted(speakers, key=lambda speaker: speaker.key)
    by_size: dict[int, list[LocalSpeaker]] = defaultdict(list)
    for speaker in ordered:
        by_size[0 if _unit(speaker.embedding) is None else len(speaker.embedding or ())].append(speaker)
    rows: list[Row] = []
    for speaker in by_size.pop(0, []):
        row = before.get(speaker.key)
        known = row is not None and _unit(row["embedding"]) is None
        rows.append(
            _row(speaker, None, row["speaker_id"] if row is not None and known else _new_id(speaker.key, taken))
        )
    # Embeddings of two sizes come from two models: nothing can be said about their likeness.
    for size in sorted(by_size):
        rows += _link_alike(by_size[size], threshold, before, taken)
    return sorted(rows, key=lambda row: (row["recording_id"], row["local_speaker"]))


def _link_alike(
    speakers: Sequence[LocalSpeaker], threshold: float, before: Mapping[Key, Row], taken: set[str]
) -> list[Row]:
    known: dict[str, _Cluster] = {}
    fresh: list[_Cluster] = []
    for speaker in speakers:
        unit = _unit(speaker.embedding)
        assert unit is not None
        weight = min(max(speaker.seconds, _LEAST_WEIGHT_SECONDS), _FULL_WEIGHT_SECONDS)
        cluster = _Cluster(unit * weight, weight, {speaker.recording_id}, [speaker])
        row = before.get(speaker.key)
        if row is None or not _unchanged(unit, row["embedding"]):
            fresh.append(cluster)
            continue
        cluster.speaker_id = row["speaker_id"]
        if cluster.speaker_id in known:
            known[cluster.speaker_id].absorb(cluster)
        else:
            known[cluster.speaker_id] = cluster
    known_clusters = list(known.values())
    for start in range(0, len(fresh), _CHUNK):
        known_clusters = _merge(known_clusters, fresh[start : start + _CHUNK], threshold)
        for cluster in known_clusters:
            if not cluster.speaker_id:
                cluster.speaker_id = _new_id(min(member.key for member in cluster.members), taken)
    return [_row(member, cluster) for cluster in known_clusters for member in cluster.members]


def _merge(known_clusters: list[_Cluster], fresh: Sequence[_Cluster], threshold: float) -> list[_Cluster]:
    """Merge `fresh` clusters with each other and into `known_clusters` ones, best pair first."""
    if known_clusters:
        means = np.stack([cluster.mean for cluster in fresh])
        near = [float((means @ cluster.mean).max()) >= threshold for cluster in known_clusters]
    else:
        near = []
    # An average over members reaches the threshold only if one of them does, so the others need not be looked at.
    away = [cluster for cluster, close in zip(known_clusters, near, strict=True) if not close]
    clusters = [cluster for cluster, close in zip(known_clusters, near, strict=True) if close]
    fixed = len(clusters)
    clusters += fresh
    means = np.stack([cluster.mean for cluster in clusters])
    similarity = means @ means.T
    np.fill_diagonal(similarity, -np.inf)
    similarity[:fixed, :fixed] = -np.inf
    for together in _by_recording(clusters):
        similarity[np.ix_(together, together)] = -np.inf
    best = similarity.argmax(axis=1)
    while True:
        values = similarity[np.arange(len(clusters)), best]
        one = int(values.argmax())
        if not values[one] >= threshold:
            break
        one, two = sorted((one, int(best[one])))
        clusters[one].absorb(clusters[two])
        row = means @ clusters[one].mean
        means[one] = clusters[one].mean
        row = np.where(np.isneginf(similarity[one]) | np.isneginf(similarity[two]), -np.inf, row)
        similarity[one, :] = similarity[:, one] = row
        similarity[two, :] = similarity[:, two] = -np.inf
        # Only rows that pointed at the pair, or are now nearer to it, have another nearest neighbour.
        stale = np.flatnonzero((best == one) | (best == two))
        best[stale] = similarity[stale].argmax(axis=1)
        nearer = row > similarity[np.arange(len(clusters)), best]
        best[nearer] = one
        best[one] = int(row.argmax())
        clusters[two].weight = 0.0
    return away + [cluster for cluster in clusters if cluster.weight]


def _by_recording(clusters: Sequence[_Cluster]) -> Iterable[list[int]]:
    """Indices of the clusters that have a member in the same recording, recording by recording."""
    found: dict[str, list[int]] = defaultdict(list)
    for index, cluster in enumerate(clusters):
        for recording_id in cluster.recordings:
            found[recording_id].append(index)
    return found.values()


def _unit(embedding: Sequence[float] | None) -> NDArray[np.float64] | None:
    if embedding is None or len(embedding) == 0:
        return None
    vector = np.asarray(embedding, dtype=np.float64)
    length = float(np.linalg.norm(vector))
    return vector / length if np.isfinite(length) and length > 0 else None


def _unchanged(unit: NDArray[np.float64], embedding: Sequence[float] | None) -> bool:
    """Whether this is the speaker of the run before: a new diarization may give the label to somebody else."""
    before = _unit(embedding)
    return before is not None and before.shape == unit.shape and float(before @ unit) >= _SAME_EMBEDDING


def _new_id(key: Key, taken: set[str]) -> str:
    """An id from the first member, so that it does not depend on the order in which recordings arrive."""
    salt = 0
    while True:
        name = "\0".join([*key, *([str(salt)] if salt else [])])
        speaker_id = f"spk-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
        if speaker_id not in taken:
            taken.add(speaker_id)
            return speaker_id
        salt += 1


def _row(speaker: LocalSpeaker, cluster: _Cluster | None, speaker_id: str = "") -> Row:
    similarity = None
    unit = _unit(speaker.embedding)
    if cluster is not None and unit is not None:
        similarity = float(unit @ cluster.total / np.linalg.norm(cluster.total))
    return {
        "speaker_id": cluster.speaker_id if cluster is not None else speaker_id,
        "recording_id": speaker.recording_id,
        "local_speaker": speaker.label,
        "dialect": speaker.dialect,
        "seconds": speaker.seconds,
        "similarity": similarity,
        "embedding": list(speaker.embedding) if speaker.embedding is not None else None,
    }
