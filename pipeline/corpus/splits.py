"""Train, dev and test without a linked speaker, a source recording or a duplicate on two sides: pure.

What hangs together is one component and goes to one side: where its speakers and recordings already are, else by the
hash of its name. So nothing changes sides as the corpus grows, unless new data ties two sides together. Segments of a
speaker who is for training only (`hubs`) go with their recording, tie it to no other, and are left out of dev and test.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.corpus.dedup import groups

Split = Literal["train", "dev", "test"]

_PRECEDENCE: tuple[Split, ...] = ("train", "dev", "test")
_FEWEST_COMPONENTS = 3
_LARGEST_SHARE = 0.35
"""A component with more of its dialect than this is for training: held out it would cost too much."""


@dataclass(frozen=True)
class Member:
    """A kept segment; `ties` are whatever it must not be parted from: its speaker, its recording.

    One that is `train_only` must not name its speaker among them.
    """

    segment_id: str
    dialect: str
    seconds: float
    ties: tuple[str, ...]
    train_only: bool = False


@dataclass
class _Component:
    name: str
    dialect: str
    seconds: float
    segment_ids: list[str]
    left_out: list[str]
    ties: set[str]
    place: float


def assign(
    members: Sequence[Member],
    dev_share: float,
    test_share: float,
    seed: int,
    duplicates: Iterable[tuple[str, str]] = (),
    previous: Mapping[str, Split] | None = None,
) -> dict[str, Split]:
    """{segment_id: split}, by dialect, with about these shares of each dialect's seconds.

    `duplicates` are further pairs of ties that belong together: recordings with the same sound. `previous` is where a
    tie was before; of a component with several, train wins (a model may have learned it), then dev. The hash alone
    decides on new components; where a side would stay empty, the component next in line is taken. A dialect with fewer
    than three components is all training data, and so is what has nothing but `train_only` segments. Of those a segment
    in a component of dev or test is in no split at all.
    """
    split: dict[str, Split] = {}
    by_dialect: dict[str, list[_Component]] = defaultdict(list)
    for component in _components(members, duplicates, seed):
        by_dialect[component.dialect].append(component)
    for components in by_dialect.values():
        sides = _sides(components, dev_share, test_share, previous or {})
        for component in components:
            side = sides.get(component.name, "train")
            split |= dict.fromkeys(component.segment_ids, side)
            if side == "train":
                split |= dict.fromkeys(component.left_out, side)
    return split


def _components(members: Sequence[Member], duplicates: Iterable[tuple[str, str]], seed: int) -> list[_Component]:
    """Members that hang together by any chain of ties, in order of hash; the dialect is the one with most seconds.

    Seconds are those that could be held out.
    """
    nodes = {member.segment_id: f"segment\0{member.segment_id}" for member in members}
    pairs = [(nodes[member.segment_id], tie) for member in members for tie in member.ties]
    alone = [(node, node) for node in nodes.values()]
    root = {name: group[0] for group in groups([*alone, *pairs, *duplicates]) for name in group}
    found: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        found[root[nodes[member.segment_id]]].append(member)
    components = []
    for own in found.values():
        seconds: dict[str, float] = defaultdict(float)
        for member in own:
            seconds[member.dialect] += 0.0 if member.train_only else member.seconds
        dialect = min(seconds, key=lambda name: (-seconds[name], name))
        ties = {tie for member in own for tie in member.ties}
        name = min(ties or {member.segment_id for member in own})
        digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        anywhere = sorted(member.segment_id for member in own if not member.train_only)
        left_out = sorted(member.segment_id for member in own if member.train_only)
        components.append(_Component(name, dialect, sum(seconds.values()), anywhere, left_out, ties, place))
    return sorted(components, key=lambda component: (component.place, component.name))


def _sides(
    components: Sequence[_Component], dev_share: float, test_share: float, previous: Mapping[str, Split]
) -> dict[str, Split]:
    """{component: split} of all that do not go to train by default.

    `components` come by place in [0, 1): test lies below test_share, dev in the next dev_share, train above.
    """
    side: dict[str, Split] = {}
    for component in components:
        before: list[Split] = [previous[tie] for tie in component.ties if tie in previous]
        if before:
            side[component.name] = min(before, key=_PRECEDENCE.index)
    if sum(bool(component.segment_ids) for component in components) < _FEWEST_COMPONENTS:
        return side
    total = sum(component.seconds for component in components)
    free = [
        component
        for component in components
        if component.name not in side and component.segment_ids and component.seconds <= _LARGEST_SHARE * total
    ]
    for component in free:
        if component.place < test_share:
            side[component.name] = "test"
        elif component.place < test_share + dev_share:
            side[component.name] = "dev"
    wanted: tuple[tuple[Split, float], ...] = (("test", test_share), ("dev", dev_share))
    for name, share in wanted:
        left = [component for component in free if component.name not in side]
        in_training = sum(side.get(component.name, "train") == "train" for component in components)
        if share > 0 and name not in side.values() and left and in_training > 1:
            side[left[0].name] = name
    return side
