"""Clusters of average linkage over unit vectors, with pairs that may never meet: those of one recording."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus.dedup import components

_BLOCK = 4096
_MARGIN = 1e-3
"""By which a product in single precision may be less than it is: pairs this near are looked at in double precision."""


@dataclass
class _Cluster:
    """`total` is the weighted sum of the members' unit vectors, so that dot products give the average linkage."""

    total: NDArray[np.float64]
    weight: float
    recordings: set[int]
    members: list[int]
    """Rows; the number of the cluster that it was before is `number`, -1 for a new row."""
    number: int = -1

    @property
    def mean(self) -> NDArray[np.float64]:
        return self.total / self.weight

    def absorb(self, other: _Cluster) -> None:
        self.total = self.total + other.total
        self.weight += other.weight
        self.recordings |= other.recordings
        self.members += other.members
        self.number = max(self.number, other.number)


class People:
    """Rows of `units` (rows, size) with their weights and numbers of recordings, put together into people."""

    def __init__(
        self,
        units: NDArray[np.float64],
        weights: NDArray[np.float64],
        recording: NDArray[np.int32],
        threshold: float,
    ) -> None:
        self.units, self._weights, self._recording, self._threshold = units, weights, recording, threshold
        rows, size = units.shape
        self.of = np.full(rows, -1, np.int64)
        """The person of each row."""
        self._count = 0
        self._totals = np.zeros((rows, size))
        self._means = np.zeros((rows, size), np.float32)
        self._sums = np.zeros(rows)
        self._first = np.full(rows, rows, np.int64)
        # Members of a person are a chain from the last to the first.
        self._last = np.full(rows, -1, np.int64)
        self._before = np.full(rows, -1, np.int64)

    def found(self, rows: NDArray[np.int64], names: NDArray) -> list[str]:
        """Take rows of equal name for one person each; the names by number of person."""
        different, person = np.unique(names.astype(str), return_inverse=True)
        for row, who in zip(rows.tolist(), person.tolist(), strict=True):
            self._join(row, who)
        weighted = self.units[rows] * self._weights[rows, None]
        order = np.argsort(person, kind="stable")
        self._count = len(different)
        if len(rows):
            begins = np.searchsorted(person[order], np.arange(self._count))
            self._totals[: self._count] = np.add.reduceat(weighted[order], begins, axis=0)
            self._sums[: self._count] = np.bincount(person, self._weights[rows], self._count)
            self._renew(np.arange(self._count))
        return different.tolist()

    def first_members(self) -> NDArray[np.int64]:
        """The first row of each person."""
        return self._first[: self._count]

    def add(self, rows: NDArray[np.int64]) -> None:
        """Merge new rows with each other and into the people that there are, best pair first."""
        known, pairs = self._near(rows)
        nodes = len(known) + len(rows)
        label = components(nodes, pairs)
        order = np.argsort(label, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(label[order])) + 1):
            fresh = rows[group[group >= len(known)] - len(known)]
            old = known[group[group < len(known)]]
            clusters = [self._old(who) for who in old.tolist()] + [self._new(row) for row in fresh.tolist()]
            for cluster in _merged(clusters, len(old), self._threshold) if len(clusters) > 1 else clusters:
                self._keep(cluster)

    def similarity(self) -> NDArray[np.float64]:
        """Cosine of each row and its person."""
        lengths = np.linalg.norm(self._totals[: self._count], axis=1)
        found = np.empty(len(self.of))
        for start in range(0, len(found), _BLOCK):
            part = slice(start, start + _BLOCK)
            found[part] = np.einsum("ij,ij->i", self.units[part], self._totals[self.of[part]]) / lengths[self.of[part]]
        return found

    def _near(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """People that a row may be near to, and pairs of nodes that may be: those people, then the rows.

        An average over members reaches the threshold only if one of them does, so the others need not be looked at.
        """
        bound = self._threshold - _MARGIN
        units = self.units[rows].astype(np.float32)
        met: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        for start in range(0, self._count, _BLOCK):
            row, person = np.nonzero(units @ self._means[start : min(start + _BLOCK, self._count)].T >= bound)
            met.append((person + start, row))
        person, row = (np.concatenate([each[side] for each in met] or [np.zeros(0, np.int64)]) for side in (0, 1))
        known, place = np.unique(person, return_inverse=True)
        one, two = np.nonzero(np.triu(units @ units.T >= bound, 1))
        among = np.stack([one + len(known), two + len(known)], axis=1)
        return known, np.concatenate([np.stack([place, row + len(known)], axis=1), among])

    def _old(self, who: int) -> _Cluster:
        members, at = [], int(self._last[who])
        while at >= 0:
            members.append(at)
            at = int(self._before[at])
        held = set(self._recording[members].tolist())
        return _Cluster(self._totals[who].copy(), float(self._sums[who]), held, members, who)

    def _new(self, row: int) -> _Cluster:
        weight = float(self._weights[row])
        return _Cluster(self.units[row] * weight, weight, {int(self._recording[row])}, [row])

    def _keep(self, cluster: _Cluster) -> None:
        who = cluster.number
        if who < 0:
            who, self._count = self._count, self._count + 1
        for row in cluster.members:
            if self.of[row] < 0:
                self._join(row, who)
        self._totals[who], self._sums[who] = cluster.total, cluster.weight
        self._renew(np.array([who]))

    def _join(self, row: int, who: int) -> None:
        self.of[row] = who
        self._first[who] = min(self._first[who], row)
        self._before[row], self._last[who] = self._last[who], row

    def _renew(self, people: NDArray[np.int64]) -> None:
        self._means[people] = self._totals[people] / self._sums[people, None]


def _merged(clusters: Sequence[_Cluster], fixed: int, threshold: float) -> list[_Cluster]:
    """Clusters merged, best pair first; the first `fixed` are not merged with each other."""
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
    return [cluster for cluster in clusters if cluster.weight]


def _by_recording(clusters: Sequence[_Cluster]) -> Iterable[list[int]]:
    """Indices of the clusters that have a member in the same recording, recording by recording."""
    found: dict[int, list[int]] = defaultdict(list)
    for index, cluster in enumerate(clusters):
        for recording in cluster.recordings:
            found[recording].append(index)
    return [together for together in found.values() if len(together) > 1]
