"""Train, dev and test without a linked speaker, a source recording or a duplicate on two sides: pure, all in arrays.

What hangs together is one component and goes to one side: where its speakers and recordings already are, else by the
hash of its name. So nothing changes sides as the corpus grows, unless new data ties two sides together. Segments of a
speaker who is for training only (`hubs`) go with their recording, tie it to no other, and are left out of dev and test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus.dedup import components

Split = Literal["train", "dev", "test"]

SIDES: tuple[Split, ...] = ("train", "dev", "test")
"""In order of precedence; a side is its place here, NONE for none."""
NONE = 9
_TRAIN, _DEV, _TEST = range(len(SIDES))
_FEWEST_COMPONENTS = 3
_LARGEST_SHARE = 0.35
"""A component with more of its dialect than this is for training: held out it would cost too much."""


@dataclass(frozen=True)
class Members:
    """Kept segments: `ties` (segments, k) are numbers of what each must not be parted from, such as its recording and
    its speaker, -1 for none; the first is there always. One that is `train_only` must not have its speaker among them.

    `dialect` are numbers in order of the dialects' names.
    """

    ties: NDArray[np.int64]
    dialect: NDArray[np.int64]
    seconds: NDArray[np.float64]
    train_only: NDArray[np.bool_]


@dataclass(frozen=True)
class _Components:
    """By component: the smallest of its ties, its dialect, seconds that could be held out, members that could be."""

    of_member: NDArray[np.int64]
    tie: NDArray[np.int64]
    dialect: NDArray[np.int64]
    seconds: NDArray[np.float64]
    free_members: NDArray[np.int64]


def assign(
    members: Members,
    dev_share: float,
    test_share: float,
    seed: int,
    names: Callable[[NDArray[np.int64]], Sequence[str]],
    duplicates: NDArray[np.int64],
    previous: NDArray[np.int8],
) -> NDArray[np.int8]:
    """The side of each member, by dialect, with about these shares of each dialect's seconds; NONE: in no split.

    Ties are numbered in order of their `names`. `duplicates` (n, 2) are further pairs of ties that belong together:
    recordings with the same sound. `previous` is where a tie was before; of a component with several, train wins (a
    model may have learned it), then dev. The hash alone decides on new components; where a side would stay empty, the
    component next in line is taken. A dialect with fewer than three components is all training data, and so is what has
    nothing but `train_only` segments. Of those a segment in a component of dev or test is in no split at all.
    """
    found = _components(members, duplicates, len(previous))
    count = len(found.tie)
    before = np.full(count, NONE, np.int8)
    for column in members.ties.T:
        tied = column >= 0
        np.minimum.at(before, found.of_member[tied], previous[column[tied]])
    digests = (hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:8] for name in names(found.tie))
    place = np.frombuffer(b"".join(digests), ">u8").astype(np.float64) / 2**64
    order = np.lexsort((found.tie, place))
    side = np.full(count, NONE, np.int8)
    for dialect in np.unique(found.dialect):
        own = order[found.dialect[order] == dialect]
        side[own] = _sides(found, own, place, before, dev_share, test_share)
    side[side == NONE] = _TRAIN
    given = side[found.of_member]
    given[members.train_only & (given != _TRAIN)] = NONE
    return given


def _components(members: Members, duplicates: NDArray[np.int64], ties: int) -> _Components:
    """Members that hang together by any chain of ties; the dialect is the one with most seconds."""
    first = members.ties[:, 0]
    edges = [duplicates]
    for column in members.ties.T[1:]:
        tied = column >= 0
        edges.append(np.unique(np.stack([first[tied], column[tied]], axis=1), axis=0))
    label = components(ties, np.concatenate(edges))[first]
    used, of_member = np.unique(label, return_inverse=True)
    seconds = np.where(members.train_only, 0.0, members.seconds)
    free = np.bincount(of_member, ~members.train_only, len(used)).astype(np.int64)
    tie = np.full(len(used), np.iinfo(np.int64).max)
    for column in members.ties.T:
        np.minimum.at(tie, of_member[column >= 0], column[column >= 0])
    many = int(members.dialect.max(initial=0)) + 1
    pairs, at = np.unique(of_member * many + members.dialect, return_inverse=True)
    spoken = np.bincount(at, seconds, len(pairs))
    component, dialect = pairs // many, pairs % many
    best = np.lexsort((dialect, -spoken, component))
    best = best[np.append(True, component[best][1:] != component[best][:-1])] if len(best) else best
    total = np.bincount(component, spoken, len(used)).astype(np.float64)
    return _Components(of_member, tie, dialect[best], total, free)


def _sides(
    found: _Components,
    own: NDArray[np.int64],
    place: NDArray[np.float64],
    before: NDArray[np.int8],
    dev_share: float,
    test_share: float,
) -> NDArray[np.int8]:
    """Sides of a dialect's components, NONE for those that go to train by default.

    They come by place in [0, 1): test lies below test_share, dev in the next dev_share, train above.
    """
    side, place = before[own].copy(), place[own]
    free, seconds = found.free_members[own] > 0, found.seconds[own]
    if free.sum() < _FEWEST_COMPONENTS:
        return side
    open_ = (side == NONE) & free & (seconds <= _LARGEST_SHARE * seconds.sum())
    side[open_ & (place < test_share)] = _TEST
    side[open_ & (place >= test_share) & (place < test_share + dev_share)] = _DEV
    for name, share in ((_TEST, test_share), (_DEV, dev_share)):
        left = np.flatnonzero(open_ & (side == NONE))
        in_training = np.isin(side, (NONE, _TRAIN)).sum()
        if share > 0 and not (side == name).any() and len(left) and in_training > 1:
            side[left[0]] = name
    return side
