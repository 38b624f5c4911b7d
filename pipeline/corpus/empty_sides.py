"""Sides of the corpus that were asked for and have no segment, by dialect, and who may be the reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from pipeline.lake.lake import Lake
from pipeline.settings import Splits


@dataclass(frozen=True)
class EmptySide:
    """A dialect without a side; `everywhere` if no dialect has it. `most` says which speaker is in most recordings."""

    dialect: str
    side: str
    recordings: int
    most: str
    everywhere: bool

    def __str__(self) -> str:
        return (
            f"{self.dialect} has nothing in {self.side}: its {self.recordings} recordings hang together as fewer than "
            f"three groups, or as one large one{self.most}"
        )


def empty_sides(lake: Lake, splits: Splits) -> list[EmptySide]:
    """Sides with a share above 0 that dialects with kept segments lack; none of an empty corpus."""
    dialect_of = {
        row["segment_id"]: row["dialect"] or "" for row in lake.rows("segments", None, ("segment_id", "dialect"))
    }
    sides: dict[str, set[str]] = defaultdict(set)
    cast: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in lake.rows("corpus"):
        if row["split"]:
            dialect = dialect_of.get(row["segment_id"], "")
            sides[dialect].add(row["split"])
            cast[dialect][row["recording_id"]].update({row["speaker_id"]} - {None} if not row["hub"] else ())
    wanted = [name for name, share in (("dev", splits.dev_share), ("test", splits.test_share)) if share > 0]
    return [
        EmptySide(
            dialect, side, len(cast[dialect]), _most(cast[dialect]), not any(side in found for found in sides.values())
        )
        for dialect in sorted(sides)
        for side in wanted
        if side not in sides[dialect]
    ]


def _most(recordings: dict[str, set[str]]) -> str:
    """ ", and speaker ... is in 9 of them", of whoever is in most, if in more than one."""
    present = Counter(speaker for people in recordings.values() for speaker in sorted(people))
    if not present:
        return ""
    speaker, count = max(present.items(), key=lambda item: (item[1], item[0]))
    return f"; {speaker} is in {count} of them (see [splits] hub_share)" if count > 1 else ""
